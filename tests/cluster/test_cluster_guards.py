"""What the release refuses: wrong logins, missing definitions, ways and rights nobody was given."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml
from support.charts import CHART
from support.eventually import eventually
from support.kube import FULLNAME, RELEASE, chart_arguments, is_ready, name_of

if TYPE_CHECKING:
    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(900), pytest.mark.usefixtures("installed")]
READY_SECONDS = 420.0
POLL_SECONDS = 2.0
CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=6).close()
    print("open")
except socket.gaierror:
    raise
except OSError as error:
    print("closed")
"""
#: Who asks, whom, at which port, and whether it may.
WAYS = [
    ("stream", f"{FULLNAME}-predictor", 13000, True),
    ("stream", f"{FULLNAME}-es-http", 9200, True),
    ("ingest", f"{FULLNAME}-simulator", 18080, True),
    ("ingest", "kafka", 9092, True),
    ("board", f"{FULLNAME}-es-http", 9200, True),
    ("board", f"{FULLNAME}-predictor", 13000, False),
    ("board", f"{FULLNAME}-simulator", 18080, False),
    ("board", "kubernetes.default", 443, False),
    ("ingest", f"{FULLNAME}-es-http", 9200, False),
    ("ingest", f"{FULLNAME}-predictor", 13000, False),
    ("stream", f"{FULLNAME}-simulator", 18080, False),
    ("stream", "kubernetes.default", 443, False),
    ("predictor", f"{FULLNAME}-es-http", 9200, False),
    ("predictor", "kafka", 9092, False),
    ("simulator", "kafka", 9092, False),
    ("simulator", f"{FULLNAME}-es-http", 9200, False),
    ("audit", "kafka", 9092, False),
    ("alerts", f"{FULLNAME}-predictor", 13000, False),
    ("scoreboard", f"{FULLNAME}-predictor", 13000, False),
]
#: Account, verb, resource, and whether it may.
RIGHTS = [
    *[("ingest", verb, "leases", True) for verb in ("get", "list", "create", "update", "delete")],
    *[("ingest", verb, "leases", False) for verb in ("watch", "patch", "deletecollection")],
    ("ingest", "get", "secrets", False),
    ("ingest", "list", "pods", False),
    ("ingest", "create", "pods", False),
    ("stream", "get", "leases", False),
    ("stream", "create", "pods", False),
    ("stream", "get", "secrets", False),
    *[
        (who, "get", "secrets", False)
        for who in ("predictor", "board", "alerts", "setup", "checks")
    ],
]


def a_pod(kube: Kube, component: str) -> str:
    """Wait for a ready pod of a component and give its name."""

    def found() -> str:
        return next((name_of(pod) for pod in kube.pods(component) if is_ready(pod)), "")

    return eventually(found, within=READY_SECONDS, poll=POLL_SECONDS)


@pytest.mark.parametrize(("asker", "server", "port", "may"), WAYS)
def test_only_the_ways_that_are_needed_are_open(
    kube: Kube, asker: str, server: str, port: int, *, may: bool
) -> None:
    """Each component reaches the servers that it needs, and no other."""
    answer = kube.python(a_pod(kube, asker), CONNECT, server, str(port)).strip()
    assert answer == ("open" if may else "closed")


@pytest.mark.parametrize(("account", "verb", "resource", "may"), RIGHTS)
def test_an_account_has_its_rights_and_no_other(
    kube: Kube, account: str, verb: str, resource: str, *, may: bool
) -> None:
    """The API server itself says what each account may do."""
    who = f"system:serviceaccount:{kube.namespace}:{FULLNAME}-{account}"
    said = kube.tried("auth", "can-i", verb, resource, "--as", who).stdout.split()
    assert said[:1] == ["yes" if may else "no"]


def test_a_pod_that_is_not_restricted_is_refused(kube: Kube) -> None:
    """The namespace takes no pod that may be root: what runs here is restricted."""
    image = kube.pods("ingest")[0]["spec"]["containers"][0]["image"]
    said = kube.tried("run", "rootish", f"--image={image}", "--dry-run=server")
    assert said.returncode
    assert 'violates PodSecurity "restricted' in said.stderr


def rendered(kube: Kube, template: str, *arguments: str) -> list[dict[str, Any]]:
    """Render one template, under another name beside the release's own objects."""
    done = kube.helm(
        "template", *chart_arguments(), "--show-only", template, *arguments,
        "--set", "fullnameOverride=wrong", "--set", "preflight.customResources=false",
        "--set", "simulator.enabled=true", "--set", "kafka.mode=external",
        "--set", "kafka.external.bootstrapServers=kafka:9092",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [one for one in yaml.safe_load_all(done.stdout) if one]


def test_a_wrong_password_is_told(kube: Kube) -> None:
    """The set-up says which server refuses it, and why, while it goes on trying."""
    a_pod(kube, "stream")
    kube.kubectl(
        "create", "secret", "generic", "wrong-login",
        "--from-literal=username=elastic", "--from-literal=password=no",
    )  # fmt: skip
    objects = rendered(
        kube, "templates/setup/job.yaml", "--set", "elasticsearch.mode=external",
        "--set", f"elasticsearch.external.url=https://{FULLNAME}-es-http:9200",
        "--set", "elasticsearch.external.credentialsSecret=wrong-login",
        "--set", f"elasticsearch.external.caSecret.name={FULLNAME}-es-http-certs-public",
    )  # fmt: skip
    try:
        kube.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))

        def told() -> bool:
            log = kube.tried("logs", "job/wrong-setup-1", "--container", "templates").stdout
            assert "AuthenticationException(401" in log, log
            return True

        assert eventually(told, within=120.0, poll=POLL_SECONDS)
    finally:
        kube.kubectl("delete", "-f", "-", given=yaml.safe_dump_all(objects))
        kube.kubectl("delete", "secret", "wrong-login")


def test_a_missing_storage_class_is_told(kube: Kube) -> None:
    """A claim of a StorageClass that isn't there says its name in its events."""
    objects = rendered(
        kube, "templates/predictor/volume.yaml", "--set", "models.storage.className=nowhere"
    )
    try:
        kube.kubectl("apply", "-f", "-", given=yaml.safe_dump_all(objects))

        def told() -> bool:
            events = kube.objects("events")
            return any('"nowhere" not found' in str(one.get("message")) for one in events)

        assert eventually(told, within=120.0, poll=POLL_SECONDS)
    finally:
        kube.kubectl("delete", "-f", "-", given=yaml.safe_dump_all(objects))


@pytest.mark.parametrize(
    ("group", "setting", "remedy"),
    [
        ("kafka.strimzi.io", "kafka.mode=strimzi", "k8s/operators.sh strimzi"),
        ("monitoring.coreos.com", "monitoring.enabled=true", "k8s/operators.sh monitoring"),
    ],
)
def test_a_missing_definition_is_told(kube: Kube, group: str, setting: str, remedy: str) -> None:
    """Without an operator's definitions the install stops, and says how to get them."""
    if group in kube.kubectl("api-versions"):
        pytest.skip(f"the cluster has {group}")
    done = kube.helm(
        "install", "second", str(CHART), "--dry-run=server",
        "--set", "elasticsearch.mode=external", "--set", "elasticsearch.external.url=https://x:9200",
        "--set", "kafka.mode=external", "--set", "kafka.external.bootstrapServers=x:9092",
        "--set", setting,
    )  # fmt: skip
    assert done.returncode
    assert "This can't be installed yet" in done.stderr
    assert remedy in done.stderr


def test_the_set_up_may_run_again(kube: Kube) -> None:
    """A second run of the set-up's Job ends well; it finds everything there."""
    name = kube.setup_job()
    (job,) = [one for one in kube.objects("jobs") if name_of(one) == name]
    again = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "setup-again", "labels": job["metadata"]["labels"]},
        "spec": {"backoffLimit": 0, "template": job["spec"]["template"]},
    }
    for label in ("controller-uid", "job-name"):
        again["spec"]["template"]["metadata"]["labels"].pop(label, None)
        again["spec"]["template"]["metadata"]["labels"].pop(f"batch.kubernetes.io/{label}", None)
    again["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    kube.kubectl("apply", "-f", "-", given=yaml.safe_dump(again))
    try:
        kube.kubectl(
            "wait", "job/setup-again", "--for=condition=Complete", "--timeout=180s", within=200.0
        )
        log = kube.kubectl("logs", "job/setup-again", "--container", "topics")
        assert "topics: all there" in log
    finally:
        kube.kubectl("delete", "job", "setup-again")
    assert kube.helm("status", RELEASE).returncode == 0
