"""A release in a real cluster: trades flow, and go on flowing through all that happens to it."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from support.charts import CHART
from support.eventually import eventually
from support.kube import FULLNAME, RELEASE, name_of
from support.release import (
    ASK,
    POLL_SECONDS,
    PORTS,
    READY_SECONDS,
    kill,
    prove,
    ready,
    settle,
    stored,
)

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(1_800)]
#: From the install's begin until trades are stored.
FLOW_SECONDS = 360.0
#: A Lease's end, the moves that follow, and a look at it.
SETTLE_SECONDS = 180.0
#: Each of them dies once.
KILLED = ("ingest", "stream", "predictor", "simulator", "board", "alerts", "audit", "scoreboard")


def test_trades_are_stored_within_six_minutes(kube: Kube, installed: float) -> None:
    """From `helm install` to the first stored trades it takes no more than six minutes."""
    left = max(1.0, installed + FLOW_SECONDS - time.monotonic())
    assert eventually(lambda: stored(kube) > 0, within=left, poll=POLL_SECONDS)
    print(f"trades are stored after {time.monotonic() - installed:.0f} s")  # noqa: T201


@pytest.mark.usefixtures("installed")
def test_the_release_proves_itself(kube: Kube) -> None:
    """`helm test` finds every trade once, with predictions and candles."""
    settle(kube, *PORTS)
    found = prove(kube)
    assert found["predictions"], found
    assert found["candles"], found


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("component", sorted(PORTS))
def test_a_components_metrics_can_be_read(kube: Kube, component: str) -> None:
    """Each pod serves metrics in Prometheus' format, with some of its own among them."""
    settle(kube, component)
    for pod in ready(kube, component):
        samples = kube.metrics(name_of(pod), PORTS[component])
        room = "models" if component == "scoreboard" else component
        assert [name for name in samples if name.startswith(f"cryptostream_{room}_")], samples


@pytest.mark.usefixtures("installed")
def test_ingest_is_scaled_and_no_symbol_is_left_alone(kube: Kube) -> None:
    """1, 3, 2 pods: each symbol has its owners each time, and nothing is lost."""
    for count in (1, 3, 2):
        kube.kubectl("scale", "deployment", f"{FULLNAME}-ingest", f"--replicas={count}")
        eventually(
            lambda wanted=count: is_shared(kube, wanted), within=SETTLE_SECONDS, poll=POLL_SECONDS
        )
    prove(kube)


def is_shared(kube: Kube, count: int) -> bool:
    """Tell whether so many pods read each symbol twice, or once if there is one pod."""
    pods = ready(kube, "ingest")
    assert len(pods) == count
    seen = [kube.metrics(name_of(pod), PORTS["ingest"]) for pod in pods]
    assert all(each["cryptostream_ingest_members"] == count for each in seen)
    listed = seen[0]["cryptostream_ingest_listed_symbols"]
    read = sum(each["cryptostream_ingest_symbols"] for each in seen)
    assert listed > 0
    assert read == listed * min(2, count), (read, listed)
    return True


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("component", KILLED)
def test_a_killed_pod_comes_back_and_nothing_is_lost(kube: Kube, component: str) -> None:
    """A pod that dies without a word is replaced; all its trades are stored, once."""
    settle(kube, "ingest", "stream", "predictor", component)
    kill(kube, kube.pods(component)[0])
    settle(kube, component, "stream")
    prove(kube)


@pytest.mark.usefixtures("installed")
def test_elasticsearch_dies_and_nothing_is_lost(kube: Kube) -> None:
    """While Elasticsearch is gone the stream waits, and then stores what Kafka kept."""
    (pod,) = kube.objects("pods", f"elasticsearch.k8s.elastic.co/cluster-name={FULLNAME}")
    kill(kube, pod)
    settle(kube, "elasticsearch", "stream")
    prove(kube)


@pytest.mark.usefixtures("installed")
def test_an_upgrade_keeps_it_running(kube: Kube) -> None:
    """New values reach the pods, the set-up runs anew and changes nothing, nothing is lost."""
    before = templates(kube)
    changed = ("stream.env.LOG_LEVEL=INFO", "stream.cores=1")
    # Not --reuse-values: a new release's own values have to come in.
    arguments = ["--reset-then-reuse-values", *(part for one in changed for part in ("--set", one))]
    done = kube.helm("upgrade", RELEASE, str(CHART), *arguments)
    assert done.returncode == 0, done.stderr
    job = f"job/{kube.setup_job()}"
    kube.kubectl("wait", job, "--for=condition=Complete", "--timeout=300s", within=330.0)
    kube.kubectl("rollout", "status", f"statefulset/{FULLNAME}-stream", within=READY_SECONDS)
    settle(kube, *PORTS)
    assert templates(kube) == before
    prove(kube)


@pytest.mark.usefixtures("installed")
def test_a_changed_model_is_taken_up_and_nothing_is_lost(kube: Kube) -> None:
    """A model that another pod trains and points to is served without a restart."""
    settle(kube, "predictor", "stream")
    before, looked = pointed(kube), reloads(kube)
    kube.kubectl("apply", "-f", "-", given=json.dumps(training_of_another(kube)))
    try:
        kube.kubectl(
            "wait", "job/another-model", "--for=condition=Complete", "--timeout=300s", within=330.0
        )
    finally:
        kube.kubectl("delete", "job", "another-model")
    assert pointed(kube) != before
    eventually(lambda: reloads(kube) > looked, within=60.0, poll=POLL_SECONDS)
    assert prove(kube)["predictions"]


def reloads(kube: Kube) -> float:
    """Count the models that the predictor has loaded."""
    pod = name_of(ready(kube, "predictor")[0])
    return kube.metrics(pod, PORTS["predictor"]).get("cryptostream_predictor_reloads_total", 0.0)


def pointed(kube: Kube) -> str:
    """Give which model the pointer names."""
    program = "import os; print(open(os.environ['PREDICTOR_POINTER']).read())"
    return kube.python(name_of(ready(kube, "predictor")[0]), program)


def training_of_another(kube: Kube) -> dict[str, Any]:
    """Make a Job of the two steps that train the first model, with other trades."""
    (deployment,) = kube.objects("deployments", "app.kubernetes.io/component=predictor")
    spec = deployment["spec"]["template"]["spec"]
    for step in spec["initContainers"]:
        always = step["command"][2].partition("exec ")[2]
        step["command"][2] = always.replace("--seed 7", "--seed 8")
    *first, last = spec["initContainers"]
    pod = {**spec, "initContainers": first, "containers": [last], "restartPolicy": "Never"}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "another-model"},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"labels": {}}, "spec": pod}},
    }


def templates(kube: Kube) -> str:
    """Ask Elasticsearch for the index templates, with the stream's own rights."""
    pod = name_of(ready(kube, "stream")[0])
    return kube.python(pod, ASK, "/_index_template/crypto-*")
