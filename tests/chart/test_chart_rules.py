"""Prometheus' own judgement of the rules and of the pages' queries."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.charts import run, tool
from support.dashboard_files import CHART, grafana_dashboards

if TYPE_CHECKING:
    from collections.abc import Iterator

RULES = CHART / "rules"
CASES = Path(__file__).parent / "promtool"


@pytest.mark.parametrize("name", sorted(path.name for path in RULES.glob("*.yaml")))
def test_rules_are_sound_and_fire_as_the_cases_say(name: str, tmp_path: Path) -> None:
    """Each file passes `promtool check rules`, and its cases `promtool test rules`."""
    checked = run(tool("promtool"), "check", "rules", RULES / name)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    case = tmp_path / name
    case.write_text((CASES / name).read_text().replace("RULES", str(RULES)))
    tested = run(tool("promtool"), "test", "rules", case)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def alerts(path: Path) -> Iterator[str]:
    """Give the names of a file's alerts."""
    for group in yaml.safe_load(path.read_text())["groups"]:
        yield from (rule["alert"] for rule in group["rules"] if "alert" in rule)


def test_every_alert_has_a_case_in_which_it_fires() -> None:
    """An alert that no case expects is not tested."""
    for path in RULES.glob("*.yaml"):
        cases: list[Any] = yaml.safe_load((CASES / path.name).read_text())["tests"]
        fired = {
            expected["alertname"]
            for case in cases
            for expected in case["alert_rule_test"]
            if expected["exp_alerts"]
        }
        assert set(alerts(path)) == fired


def test_prometheus_reads_every_query_of_the_pages(tmp_path: Path) -> None:
    """Every query of every page is PromQL."""
    queries = [
        target["expr"].replace("$__rate_interval", "5m")
        for page in grafana_dashboards().values()
        for panel in page["panels"]
        for target in panel["targets"]
    ]
    rules = [{"record": f"query:{place}", "expr": query} for place, query in enumerate(queries)]
    path = tmp_path / "queries.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}))
    checked = run(tool("promtool"), "check", "rules", path)
    assert checked.returncode == 0, checked.stdout + checked.stderr
