"""What `scripts/bench/pod_memory.py` makes of a control group's files."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

MEASURE = runpy.run_path(str(Path(__file__).parents[3] / "scripts" / "bench" / "pod_memory.py"))


@pytest.mark.parametrize(
    "text",
    [
        "1000\nanon 700\ninactive_file 300\n",
        "1000\ncache 400\ninactive_file 1\ntotal_inactive_file 300\n",
    ],
    ids=["version 2", "version 1"],
)
def test_a_working_set_is_what_is_used_less_what_may_be_dropped(text: str) -> None:
    """Version 1 counts the groups below in names of their own, which come first."""
    assert MEASURE["working_set"](text) == 700


def test_a_pods_request_is_the_sum_of_its_containers() -> None:
    """Mi and Gi are read; a container that asks for nothing counts as nothing."""
    asks = [{"requests": {"memory": "192Mi"}}, {"requests": {"memory": "1Gi"}}, {}]
    pod = {"spec": {"containers": [{"resources": one} for one in asks]}}
    assert MEASURE["requested"](pod) == (192 + 1024) * 1024 * 1024
