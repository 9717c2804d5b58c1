"""Every metric and label that a page or a rule asks for is one that something emits."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
import yaml
from support.dashboard_files import CHART, ROOT, grafana_dashboards
from support.promql import labels_of, metrics_of

RULES = sorted((CHART / "rules").glob("*.yaml"))
#: What well-known exporters emit, as far as we ask for it; each by who emits it.
EXPORTERS: dict[str, set[str]] = {
    "Strimzi's Kafka Exporter": {
        "kafka_brokers",
        "kafka_consumergroup_current_offset",
        "kafka_consumergroup_lag",
        "kafka_topic_partition_current_offset",
        "kafka_topic_partition_oldest_offset",
        "kafka_topic_partition_under_replicated_partition",
    },
    "Strimzi's cluster operator": {"strimzi_certificate_expiration_timestamp_ms"},
    "elasticsearch_exporter": {
        "elasticsearch_cluster_health_number_of_nodes",
        "elasticsearch_cluster_health_status",
        "elasticsearch_filesystem_data_available_bytes",
        "elasticsearch_filesystem_data_size_bytes",
        "elasticsearch_indices_indexing_index_time_seconds_total",
        "elasticsearch_indices_indexing_index_total",
        "elasticsearch_indices_search_query_total",
        "elasticsearch_jvm_gc_collection_seconds_sum",
        "elasticsearch_jvm_memory_max_bytes",
        "elasticsearch_jvm_memory_used_bytes",
        "elasticsearch_thread_pool_rejected_count",
    },
    "the kubelet": {
        "container_cpu_cfs_periods_total",
        "container_cpu_cfs_throttled_periods_total",
        "container_cpu_usage_seconds_total",
        "container_memory_working_set_bytes",
        "kubelet_volume_stats_available_bytes",
        "kubelet_volume_stats_capacity_bytes",
    },
    "kube-state-metrics": {
        "kube_pod_container_resource_limits",
        "kube_pod_container_status_restarts_total",
        "kube_pod_status_ready",
    },
}
FOREIGN = set().union(*EXPORTERS.values())
#: Labels that scraping adds to everything.
SCRAPED = {"namespace", "pod", "job", "instance", "container", "le"}


@pytest.fixture(scope="module")
def emitted() -> dict[str, set[str]]:
    """Give the labels of each metric of ours by its name.

    In a process of its own: rooms fill the one default registry as they are imported.
    """
    program = [sys.executable, "-m", "support.emitted_metrics"]
    path = {"PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(program, env=path, capture_output=True, text=True, check=True)
    return {name: set(labels) for name, labels in json.loads(done.stdout).items()}


def grafana_queries() -> list[Any]:
    """Give every query of every page, and what fills its variables."""
    found = []
    for uid, page in grafana_dashboards().items():
        for panel in page["panels"]:
            found += [
                pytest.param(target["expr"], id=f"{uid}-{panel['title']}-{target['refId']}")
                for target in panel["targets"]
            ]
        for variable in page["templating"]["list"]:
            if variable["type"] == "query":
                name = re.fullmatch(r"label_values\((.*), (\w+)\)", variable["query"])
                assert name
                found.append(pytest.param(f"sum by ({name[2]}) ({name[1]})", id=f"{uid}-variable"))
    return found


def rule_queries() -> list[Any]:
    """Give every rule's expression."""
    return [
        pytest.param(rule["expr"], id=rule.get("alert") or rule["record"])
        for path in RULES
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


RECORDED = {
    rule["record"]
    for path in RULES
    for group in yaml.safe_load(path.read_text())["groups"]
    for rule in group["rules"]
    if "record" in rule
}


@pytest.mark.parametrize("query", [*grafana_queries(), *rule_queries()])
def test_a_query_asks_for_what_is_emitted(query: str, emitted: dict[str, set[str]]) -> None:
    """Names come from our registries, from a rule, or from an exporter that we name."""
    names = metrics_of(query)
    assert names
    unknown = names - set(emitted) - FOREIGN - RECORDED
    assert not unknown, f"nothing emits {sorted(unknown)}"
    ours = [emitted[name] for name in names if name in emitted]
    if ours and len(ours) == len(names):
        known = set().union(*ours) | SCRAPED
        assert labels_of(query) <= known, f"no such labels: {labels_of(query) - known}"


def test_no_exporters_metric_is_declared_in_vain() -> None:
    """What nothing asks for need not be known."""
    queries = [param.values[0] for param in [*grafana_queries(), *rule_queries()]]
    asked = set().union(*(metrics_of(str(query)) for query in queries))
    assert asked >= FOREIGN, FOREIGN - asked


def test_the_check_can_fail(emitted: dict[str, set[str]]) -> None:
    """A misspelled metric or label is found."""
    assert metrics_of("sum by (pod) (rate(cryptostream_ingest_trade_total[5m]))") - set(emitted)
    assert "symbool" in labels_of('sum by (symbool) (x{reasn="a"})')
    assert "reasn" in labels_of('sum by (symbool) (x{reasn="a"})')


def test_every_rule_says_what_to_do() -> None:
    """Each alert has a severity, a summary and a description."""
    for path in RULES:
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    assert rule["labels"]["severity"] in {"info", "warning", "critical"}
                    assert set(rule["annotations"]) == {"summary", "description"}


def test_panels_fit_their_page() -> None:
    """Ids are unique, and no panel lies on another."""
    for page in grafana_dashboards().values():
        ids = [panel["id"] for panel in page["panels"]]
        assert len(set(ids)) == len(ids)
        cells = [
            (x, y)
            for place in (panel["gridPos"] for panel in page["panels"])
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        ]
        assert len(set(cells)) == len(cells)
        assert max(x for x, _ in cells) < 24
