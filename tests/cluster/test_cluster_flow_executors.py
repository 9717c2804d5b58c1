"""Spark's executors as pods of their own. It runs after the flow's tests, as names are sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.charts import CHART
from support.eventually import eventually
from support.kube import FULLNAME, RELEASE, is_ready, name_of
from support.release import POLL_SECONDS, READY_SECONDS, kill, prove, settle, stored

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1_800)]
EXECUTORS = 2


def executors(kube: Kube) -> list[dict[str, Any]]:
    """Give the executors' pods, all of which must be ready."""
    pods = kube.pods("executor")
    assert len(pods) == EXECUTORS
    assert all(map(is_ready, pods)), [pod["status"]["phase"] for pod in pods]
    return pods


def rolled(kube: Kube) -> None:
    """Wait until the stream runs as it was last told, and stores trades."""
    kube.kubectl("rollout", "status", f"statefulset/{FULLNAME}-stream", within=READY_SECONDS)
    settle(kube, "stream")
    assert eventually(lambda: stored(kube) > 0, within=READY_SECONDS, poll=POLL_SECONDS)


@pytest.fixture(scope="module", autouse=True)
def placed(kube: Kube, installed: float) -> Iterator[None]:
    """Have the stream's tasks run in pods, and afterwards in the driver again."""
    del installed
    settings = (
        "stream.placement=executors",
        f"stream.executors.instances={EXECUTORS}",
        "stream.executors.cpuRequest=50m",
    )
    arguments = [part for one in settings for part in ("--set", one)]
    done = kube.helm("upgrade", RELEASE, str(CHART), "--reset-then-reuse-values", *arguments)
    assert done.returncode == 0, done.stderr
    rolled(kube)
    yield
    back = kube.helm("rollback", RELEASE)
    assert back.returncode == 0, back.stderr
    rolled(kube)


def test_executors_are_pods_and_store_every_trade_once(kube: Kube) -> None:
    """Spark made the pods that were asked for, restricted; what they wrote is whole."""
    pods = eventually(lambda: executors(kube), within=READY_SECONDS, poll=POLL_SECONDS)
    for pod in pods:
        (container,) = pod["spec"]["containers"]
        assert container["securityContext"]["readOnlyRootFilesystem"]
        assert pod["spec"]["automountServiceAccountToken"] is False
    found = prove(kube)
    assert found["predictions"], found


def test_a_killed_executor_is_replaced_and_nothing_is_lost(kube: Kube) -> None:
    """Spark runs its tasks elsewhere and makes another pod."""
    first, *_ = eventually(lambda: executors(kube), within=READY_SECONDS, poll=POLL_SECONDS)
    kill(kube, first)
    pods = eventually(lambda: executors(kube), within=READY_SECONDS, poll=POLL_SECONDS)
    assert name_of(first) not in {name_of(pod) for pod in pods}
    prove(kube)


def test_a_killed_driver_makes_its_executors_anew(kube: Kube) -> None:
    """The executors of a driver that died leave with it; the next one has its own."""
    old = {name_of(pod) for pod in kube.pods("executor")}
    kill(kube, kube.pods("stream")[0])
    settle(kube, "stream")

    def anew() -> bool:
        return not old & {name_of(pod) for pod in executors(kube)}

    assert eventually(anew, within=READY_SECONDS, poll=POLL_SECONDS)
    prove(kube)
