"""The chart's own files: YAML that is well written, a schema that knows every value."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.charts import CHART, ROOT, run, tool

PLAIN = ("values.yaml", "Chart.yaml", "ci", "tests")


def test_yaml_is_well_written() -> None:
    """What is no template passes yamllint."""
    program = shutil.which("yamllint", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("yamllint is not installed (make setup)")
    files = [str(CHART / name) for name in PLAIN] + [str(ROOT / "k8s"), str(ROOT / "skaffold.yaml")]
    done = subprocess.run(
        [program, "--strict", "--config-file", str(CHART.parent / ".yamllint.yaml"), *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_every_value_is_in_the_schema_and_nothing_else_is_taken() -> None:
    """At every level the schema names exactly the keys of values.yaml and refuses all others."""
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert list(differences(values, schema, schema["$defs"], "")) == []


def differences(value: Any, schema: Any, shared: Any, path: str) -> list[str]:
    """Name what is in one of the two only; maps with free keys are bounded by a pattern."""
    if "$ref" in schema:
        schema = shared[schema["$ref"].removeprefix("#/$defs/")]
    if not isinstance(value, dict):
        return []
    allowed = schema.get("additionalProperties", True)
    found = [f"{path}: takes anything"] if allowed is True else []
    known = schema.get("properties", {})
    for key, inner in value.items():
        if key in known:
            found += differences(inner, known[key], shared, f"{path}.{key}")
        elif allowed is False:
            found.append(f"{path}.{key}: not in the schema")
    return found


@pytest.mark.parametrize("suite", sorted(path.name for path in CHART.glob("tests/*_test.yaml")))
def test_the_charts_own_tests_pass(suite: str) -> None:
    """Each component's suite passes in helm-unittest."""
    done = run(tool("helm-unittest"), "--strict", "--file", f"tests/{suite}", CHART)
    assert done.returncode == 0, done.stdout + done.stderr
