"""A release in a cluster as the tests handle it: waited for, killed, proved."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from support.eventually import eventually
from support.kube import RELEASE, is_ready, name_of

if TYPE_CHECKING:
    from support.kube import Kube

READY_SECONDS: Final = 420.0
POLL_SECONDS: Final = 2.0
#: Where each component serves its metrics.
PORTS: Final = {
    "ingest": 19101,
    "stream": 19110,
    "predictor": 13000,
    "scoreboard": 19140,
    "alerts": 19130,
    "board": 18000,
    "audit": 19120,
    "simulator": 18080,
}

#: Asks Elasticsearch with the pod's own rights; posts the body if there is one.
ASK: Final = """
import base64, os, ssl, sys, urllib.request as r
login = f"{os.environ['ELASTICSEARCH_USERNAME']}:{os.environ['ELASTICSEARCH_PASSWORD']}"
body = sys.argv[2].encode() if len(sys.argv) > 2 else None
ask = r.Request(os.environ["ELASTICSEARCH_URL"] + sys.argv[1], body)
ask.add_header("Content-Type", "application/json")
ask.add_header("Authorization", "Basic " + base64.b64encode(login.encode()).decode())
trusted = ssl.create_default_context(cafile=os.environ["ELASTICSEARCH_CA_CERTS"])
print(r.urlopen(ask, timeout=20, context=trusted).read().decode())
"""


def stored(kube: Kube) -> float:
    """Count the trades that the stream has stored since it was started."""
    pod = name_of(ready(kube, "stream")[0])
    return kube.metrics(pod, PORTS["stream"]).get("cryptostream_stream_trades_total", 0.0)


def ready(kube: Kube, component: str) -> list[dict[str, Any]]:
    """Give a component's pods; all of them must be ready."""
    pods = kube.pods(component)
    assert pods, f"{component} has no pod"
    waiting = [name_of(pod) for pod in pods if not is_ready(pod)]
    assert not waiting, f"not ready: {waiting}"
    return pods


def settle(kube: Kube, *components: str) -> None:
    """Wait until components are ready."""
    for component in components:
        eventually(lambda one=component: ready(kube, one), within=READY_SECONDS, poll=POLL_SECONDS)


def prove(kube: Kube) -> dict[str, Any]:
    """Let `helm test` compare Kafka and Elasticsearch; nothing may be lost or doubled."""
    done = kube.helm("test", RELEASE, "--logs", "--timeout", "10m")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"trades"')]
    assert lines, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(lines[0])
    assert (found["lost"], found["duplicates"]) == (0, 0), found
    assert found["trades"], found
    print(found)  # noqa: T201 - the proof itself
    return found


def kill(kube: Kube, pod: dict[str, Any]) -> None:
    """End a pod at once, without a chance to end cleanly; wait until it is another one."""
    kube.kubectl("delete", "pod", name_of(pod), "--grace-period=0", "--force", "--wait=false")
    old = pod["metadata"]["uid"]
    eventually(
        lambda: old not in {one["metadata"]["uid"] for one in kube.objects("pods")},
        within=60.0,
        poll=POLL_SECONDS,
    )
