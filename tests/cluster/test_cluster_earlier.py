"""An earlier release is upgraded to this one. It runs first, as names are sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.charts import CHART
from support.eventually import eventually
from support.kube import EARLIER, FULLNAME, RELEASE, tag
from support.release import POLL_SECONDS, PORTS, READY_SECONDS, prove, settle, stored

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1_800), pytest.mark.usefixtures("installed")]


def test_an_earlier_release_is_upgraded_and_nothing_is_lost(kube: Kube) -> None:
    """Chart and images change under way; each trade is stored, once."""
    if not EARLIER:
        pytest.skip("CRYPTOSTREAM_TEST_EARLIER_CHART names no chart to upgrade from")
    settle(kube, *PORTS)
    assert eventually(lambda: stored(kube) > 0, within=READY_SECONDS, poll=POLL_SECONDS)
    arguments = ("--reset-then-reuse-values", "--set", f"images.tag={tag()}")
    done = kube.helm("upgrade", RELEASE, str(CHART), *arguments)
    assert done.returncode == 0, done.stderr
    for owner in (f"statefulset/{FULLNAME}-stream", f"deployment/{FULLNAME}-ingest"):
        kube.kubectl("rollout", "status", owner, within=READY_SECONDS)
    settle(kube, *PORTS)
    prove(kube)
