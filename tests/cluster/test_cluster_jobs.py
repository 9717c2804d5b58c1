"""The release's CronJobs, each run once: they reach what they need, and do what they are for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from support.eventually import eventually
from support.kube import FULLNAME, name_of
from support.release import ASK, POLL_SECONDS, ready

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1_200), pytest.mark.usefixtures("installed")]
#: A training proves itself on a market of chance before it learns, on few cores.
JOB_SECONDS = 900.0
OLD_INDEX = "crypto-trades-2020.01.01"


def ran(kube: Kube, component: str) -> tuple[bool, str]:
    """Run a CronJob's Job now; gives whether it succeeded, and its log."""
    name = f"{FULLNAME}-{component}"
    (cron,) = [one for one in kube.objects("cronjobs") if name_of(one) == name]
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"{component}-now"},
        "spec": {**cron["spec"]["jobTemplate"]["spec"], "backoffLimit": 0},
    }
    kube.kubectl("apply", "-f", "-", given=json.dumps(job))
    try:
        status = eventually(
            lambda: ended(kube, f"{component}-now"), within=JOB_SECONDS, poll=POLL_SECONDS
        )
        return bool(status.get("succeeded")), kube.kubectl("logs", f"job/{component}-now")
    finally:
        kube.kubectl("delete", "job", f"{component}-now")


def ended(kube: Kube, name: str) -> dict[str, Any]:
    """Give a Job's status once it has ended; nothing before."""
    (job,) = [one for one in kube.objects("jobs") if name_of(one) == name]
    status: dict[str, Any] = job.get("status", {})
    return status if status.get("succeeded") or status.get("failed") else {}


def test_what_is_too_old_is_deleted(kube: Kube) -> None:
    """An index of long ago is gone after a run, and today's trades are still there."""
    pod = name_of(ready(kube, "stream")[0])
    kube.python(pod, ASK, f"/{OLD_INDEX}/_doc", '{"v": 1}')
    succeeded, log = ran(kube, "retention")
    assert succeeded, log
    assert OLD_INDEX in log
    left = json.loads(kube.python(pod, ASK, "/crypto-trades-*/_settings"))
    assert left
    assert OLD_INDEX not in left


def test_training_reads_what_was_stored_and_judges_it(kube: Kube) -> None:
    """A round exports the release's trades, and promotes, refuses, or says what it still needs."""
    succeeded, log = ran(kube, "training")
    events = {json.loads(line)["event"]: line for line in log.splitlines() if line[:1] == "{"}
    assert "green" in events["null_world"]
    assert "exported" in events, log
    if succeeded:
        assert events.keys() & {"promoted", "refused"}, log
    else:
        assert '"waiting"' in events["round_not_done"], log
