"""What the chart renders, for every profile."""

from __future__ import annotations

import re
from itertools import chain
from typing import TYPE_CHECKING, Any

import pytest
from support.charts import CHART, PROFILES, helm_template, objects, run, tool

from cryptostream.contracts.topics import TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.charts import Objects

WORKLOADS = {"Deployment", "StatefulSet", "Job", "CronJob", "DaemonSet", "Pod"}
MEBIBYTE = 1024 * 1024
LAPTOP_BYTES = 8192 * MEBIBYTE
UNITS = {"Mi": MEBIBYTE, "Gi": 1024 * MEBIBYTE}


def pods(rendered: Objects) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the name and the pod's spec of each workload, hooks and tests included."""
    for one in rendered:
        if one["kind"] in WORKLOADS:
            spec = one["spec"]
            spec = spec["jobTemplate"]["spec"] if one["kind"] == "CronJob" else spec
            pod = spec if one["kind"] == "Pod" else spec["template"]["spec"]
            yield f"{one['kind']}/{one['metadata']['name']}", pod


def named(rendered: Objects, kind: str) -> dict[str, dict[str, Any]]:
    """Give the objects of a kind by name."""
    return {one["metadata"]["name"]: one for one in rendered if one["kind"] == kind}


@pytest.mark.parametrize("helm", ["helm4", "helm3"])
@pytest.mark.parametrize("profile", PROFILES)
def test_each_profile_passes_lint_and_renders(helm: str, profile: str) -> None:
    """Both Helms lint it without a warning and render it."""
    values = CHART / "ci" / f"{profile}-values.yaml"
    linted = run(tool(helm), "lint", "--strict", CHART, "--values", values)
    assert linted.returncode == 0, linted.stdout + linted.stderr
    rendered = helm_template(tool(helm), "--values", str(values))
    assert rendered.returncode == 0, rendered.stderr


@pytest.mark.parametrize("profile", PROFILES)
def test_every_pod_is_restricted(profile: str) -> None:
    """No container, those of hooks and init included, may do what `restricted` forbids."""
    for name, pod in pods(objects(profile)):
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["runAsUser"] >= 10_000, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod), name
        assert not any("hostPath" in volume for volume in pod.get("volumes", ())), name
        for container in chain(pod.get("initContainers", ()), pod["containers"]):
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert {"requests", "limits"} <= set(container["resources"]), name
            assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"], name


@pytest.mark.parametrize("profile", PROFILES)
def test_only_who_needs_it_has_a_token(profile: str) -> None:
    """Pods that don't speak to the API server carry no token; each has an account of its own."""
    for name, pod in pods(objects(profile)):
        # A driver whose executors are pods makes them.
        speaks = name.endswith("-ingest") or (profile == "external" and name.endswith("-stream"))
        assert pod["automountServiceAccountToken"] is speaks, name
        assert pod["serviceAccountName"] in named(objects(profile), "ServiceAccount"), name


@pytest.mark.parametrize("profile", PROFILES)
def test_what_a_pod_mounts_is_there(profile: str) -> None:
    """Each mount has its volume, each volume a mount, and no name is given twice."""
    for name, pod in pods(objects(profile)):
        containers = [*pod.get("initContainers", ()), *pod["containers"]]
        mounts = {mount["name"] for one in containers for mount in one["volumeMounts"]}
        volumes = [volume["name"] for volume in pod["volumes"]]
        assert len(volumes) == len(set(volumes)), name
        assert mounts - set(volumes) <= {"checkpoint", "outbox"}, name
        assert set(volumes) <= mounts, name
        for one in containers:
            variables = [item["name"] for item in one.get("env", ())]
            assert len(variables) == len(set(variables)), (name, variables)


@pytest.mark.parametrize("profile", PROFILES)
def test_the_release_carries_its_own_test(profile: str) -> None:
    """`helm test` has its Pod: no ignore file keeps the templates of tests out of the chart."""
    (pod,) = named(objects(profile), "Pod").values()
    assert pod["metadata"]["annotations"]["helm.sh/hook"] == "test"


def test_the_laptop_profile_asks_for_eight_gigabytes_at_most() -> None:
    """All that is asked for at once, Kafka, Elasticsearch and Kibana included."""
    asked = {name: pod_bytes(pod) for name, pod in pods(objects("laptop"))}
    replicas = {
        f"{one['kind']}/{one['metadata']['name']}": one["spec"].get("replicas", 1)
        for one in objects("laptop")
        if one["kind"] in WORKLOADS
    }
    asked = {name: amount * replicas[name] for name, amount in asked.items()}
    asked |= servers_bytes(objects("laptop"))
    lasting = sum(asked.values()) - sum(
        amount for name, amount in asked.items() if name.startswith(("Job/", "Pod/"))
    )
    assert lasting <= LAPTOP_BYTES, {name: one // MEBIBYTE for name, one in asked.items()}


def pod_bytes(pod: dict[str, Any]) -> int:
    """Add up a pod's requests; init containers run before the others."""
    first = [memory(one) for one in pod.get("initContainers", ())]
    return max(sum(memory(one) for one in pod["containers"]), *first, 0)


def memory(container: dict[str, Any]) -> int:
    """Give a container's request in bytes."""
    amount, unit = re.fullmatch(
        r"(\d+)(Mi|Gi)", container["resources"]["requests"]["memory"]
    ).groups()
    return int(amount) * UNITS[unit]


def servers_bytes(rendered: Objects) -> dict[str, int]:
    """Give what the operators' objects ask for."""
    found = {}
    for pool in named(rendered, "KafkaNodePool").values():
        found[pool["metadata"]["name"]] = memory(pool["spec"]) * pool["spec"]["replicas"]
    for kafka in named(rendered, "Kafka").values():
        operators = kafka["spec"]["entityOperator"]
        found["operators"] = memory(operators["topicOperator"]) + memory(operators["userOperator"])
        found["exporter"] = memory(kafka["spec"]["kafkaExporter"])
    for search in named(rendered, "Elasticsearch").values():
        nodes = search["spec"]["nodeSets"][0]
        found["search"] = nodes["count"] * memory(nodes["podTemplate"]["spec"]["containers"][0])
    for kibana in named(rendered, "Kibana").values():
        found["kibana"] = memory(kibana["spec"]["podTemplate"]["spec"]["containers"][0])
    return found


def test_topics_are_those_of_the_contracts() -> None:
    """Names, partitions and settings say the same in both places."""
    made = {
        name: (topic["spec"]["partitions"], topic["spec"]["config"])
        for name, topic in named(objects("laptop"), "KafkaTopic").items()
    }
    assert made == {topic.name: (topic.partitions, topic.config) for topic in TOPICS}


def test_the_leases_role_has_the_five_verbs_alone() -> None:
    """Ingest may do with Leases what its code does, and nothing else."""
    (rule,) = named(objects("laptop"), "Role")["demo-cryptostream-ingest"]["rules"]
    assert rule == {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "verbs": ["get", "list", "create", "update", "delete"],
    }


def test_no_right_is_given_with_a_wildcard() -> None:
    """Neither a Role nor Kafka's rights name everything."""
    for role in named(objects("ha"), "Role").values():
        for rule in role["rules"]:
            assert "*" not in chain(*rule.values())
    for user in named(objects("ha"), "KafkaUser").values():
        for right in user["spec"]["authorization"]["acls"]:
            assert right["resource"]["name"] not in {"", "*"}
            assert "All" not in right["operations"]


def test_everything_is_closed_by_default() -> None:
    """One policy closes every pod of the release in both directions."""
    policy = named(objects("laptop"), "NetworkPolicy")["demo-cryptostream-deny"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in policy
    assert "egress" not in policy
    labels = policy["podSelector"]["matchLabels"].items()
    for one in objects("laptop"):
        if one["kind"] in {"Deployment", "StatefulSet"}:
            assert labels <= one["spec"]["template"]["metadata"]["labels"].items()


def test_only_ingest_and_audit_reach_the_simulator() -> None:
    """With the simulator nobody but alerts has a way to the internet."""
    policies = named(objects("laptop"), "NetworkPolicy")
    outward = {
        name
        for name, policy in policies.items()
        for rule in policy["spec"].get("egress", ())
        for peer in rule["to"]
        if peer.get("ipBlock", {}).get("except")
    }
    assert outward == {"demo-cryptostream-alerts"}
    asked = policies["demo-cryptostream-simulator"]["spec"]["ingress"]
    who = {
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in asked
        for peer in rule["from"]
        if "podSelector" in peer
    }
    assert who == {"ingest", "audit"}


def test_no_component_may_delete_but_the_set_up() -> None:
    """Elasticsearch's roles give deletion to retention alone, and nothing to everybody."""
    roles = named(objects("laptop"), "Secret")["demo-cryptostream-es-roles"]["stringData"]
    assert roles["roles.yml"].count("delete_index") == 1
    for broad in ("all", "manage", "write", "superuser"):
        assert not re.search(rf"^\s*- {broad}$", roles["roles.yml"], re.MULTILINE)


def test_missing_definitions_are_explained() -> None:
    """Without the operators the install stops with what is missing and both ways out."""
    refused = helm_template(tool("helm4"), "--set", "monitoring.enabled=true")
    assert refused.returncode
    for part in (
        "kafka.strimzi.io/v1 Kafka", "k8s/operators.sh strimzi", "kafka.mode=external",
        "elasticsearch.k8s.elastic.co/v1", "monitoring.coreos.com/v1", "preflight.customResources",
    ):  # fmt: skip
        assert part in refused.stderr
    kinds = "kafka.strimzi.io/v1/Kafka,elasticsearch.k8s.elastic.co/v1/Elasticsearch"
    assert not helm_template(tool("helm4"), "--api-versions", kinds).returncode


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("kafka.strimzi.replicationFactor=3", "there are only 1 brokers"),
        ("kafka.strimzi.minInsyncReplicas=2", "nothing could be written"),
        ("elasticsearch.indexReplicas=1", "hold at most 0 copies"),
        ("ingest.owners=3", "there are only 2 pods"),
        ("kafka.mode=external", "kafka.external.bootstrapServers"),
        ("elasticsearch.mode=external", "elasticsearch.external.url"),
        ("stream.placment=driver", "placment"),
        ("stream.placement=executor", "placement"),
        ("retention.days.trade=7", "trade"),
        ("kafka.external.securityProtocol=TLS", "securityProtocol"),
        ("ingest.resources.requests.memroy=1Gi", "memroy"),
        ("simulator.rate=-1", "rate"),
    ],
)
def test_what_can_not_work_is_refused_by_name(setting: str, message: str) -> None:
    """A slip of the pen and values that contradict each other are told before anything is made."""
    refused = helm_template(
        tool("helm4"), "--set", "preflight.customResources=false", "--set", setting
    )
    assert refused.returncode
    assert message in refused.stderr


def test_versions_are_stated_once() -> None:
    """Without a tag the images are those of the chart's own version."""
    ingest = named(objects("laptop"), "Deployment")["demo-cryptostream-ingest"]
    (container,) = ingest["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "cryptostream/ingest:0.1.0"
