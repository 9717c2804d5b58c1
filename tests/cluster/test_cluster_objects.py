"""What the chart renders, as a real API server judges it; nothing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.charts import PROFILES, objects

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600)]


def judged(one: dict[str, Any], namespace: str) -> dict[str, Any]:
    """Give an object in a namespace; a bare Pod as a Job's, as its account isn't there yet."""
    if one["kind"] == "Pod":
        metadata = {key: one["metadata"][key] for key in ("name", "labels")}
        template = {"metadata": {"labels": metadata["labels"]}, "spec": one["spec"]}
        one = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": metadata,
            "spec": {"template": template},
        }
    return {**one, "metadata": {**one["metadata"], "namespace": namespace}}


@pytest.mark.parametrize("profile", PROFILES)
def test_the_server_takes_every_object(kube: Kube, profile: str) -> None:
    """No field is unknown or wrong, operators' objects included, and every pod is restricted."""
    known = set(kube.kubectl("api-versions").split())
    wanted = [judged(one, kube.namespace) for one in objects(profile)]
    asked = [one for one in wanted if one["apiVersion"] in known]
    unknown = sorted({one["apiVersion"] for one in wanted} - known)
    done = kube.tried(
        "apply", "--dry-run=server", "--validate=strict", "--filename=-",
        given=yaml.safe_dump_all(asked),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "would violate PodSecurity" not in done.stderr, done.stderr
    assert len(done.stdout.splitlines()) == len(asked)
    if unknown:
        pytest.skip(f"taken, but for what the cluster doesn't know: {', '.join(unknown)}")
