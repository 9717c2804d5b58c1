"""Grafana's pages about what the pipeline stands on: Kafka, Elasticsearch, pods and volumes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.cli.dashboards import grafana
from cryptostream.cli.dashboards.grafana import gauge, rate, series, stat

if TYPE_CHECKING:
    from cryptostream.cli.dashboards.grafana import Json, Query


def pages() -> list[Json]:
    """Give the three pages."""
    return [kafka(), elasticsearch(), resources()]


def kafka() -> Json:
    """Topics and brokers, as Strimzi's Kafka Exporter and Metrics Reporter tell."""
    under = "kafka_topic_partition_under_replicated_partition"
    offset = "kafka_topic_partition_current_offset"
    return grafana.page(
        "cryptostream-kafka",
        "Kafka",
        "Topics, lag of the groups, replication; needs Strimzi's Kafka Exporter.",
        [
            (5, [(8, stat("Brokers", "short", ("max(kafka_brokers)", ""))),
                 (8, stat("Partitions without all replicas", "short", (f"sum({under})", ""),
                          (1, "red"))),
                 (8, stat("Certificates end in", "s", _certificates()))]),
            (9, [(12, series("Records produced by topic", "cps",
                             rate(offset, "topic"))),
                 (12, series("Lag by group", "short",
                             gauge("kafka_consumergroup_lag", "consumergroup")))]),
            (9, [(12, series("Records kept by topic", "short", _kept())),
                 (12, series("Offsets committed", "cps",
                             rate("kafka_consumergroup_current_offset", "consumergroup")))]),
        ],
    )  # fmt: skip


def _certificates() -> Query:
    return "min(strimzi_certificate_expiration_timestamp_ms) / 1000 - time()", ""


def _kept() -> Query:
    newest = 'sum by (topic) (kafka_topic_partition_current_offset{namespace=~"$namespace"})'
    oldest = 'sum by (topic) (kafka_topic_partition_oldest_offset{namespace=~"$namespace"})'
    return f"{newest} - {oldest}", "{{topic}}"


def elasticsearch() -> Json:
    """The cluster, as prometheus-community's elasticsearch_exporter tells."""
    name = "elasticsearch_"
    return grafana.page(
        "cryptostream-elasticsearch",
        "Elasticsearch",
        "Health, indexing, heap and disk; needs elasticsearch_exporter.",
        [
            (5, [(8, stat("Red", "short",
                          (f'max({name}cluster_health_status{{color="red"}})', ""), (1, "red"))),
                 (8, stat("Nodes", "short", (f"max({name}cluster_health_number_of_nodes)", ""))),
                 (8, stat("Disk left", "percentunit", _disk_left()))]),
            (9, [(8, series("Documents indexed", "cps",
                            rate(f"{name}indices_indexing_index_total", "name"))),
                 (8, series("Time to index a document", "s", _ratio(
                     f"{name}indices_indexing_index_time_seconds_total",
                     f"{name}indices_indexing_index_total"))),
                 (8, series("Searches", "cps",
                            rate(f"{name}indices_search_query_total", "name")))]),
            (9, [(8, series("Heap in use", "percentunit", _heap())),
                 (8, series("Garbage collection, share of time", "percentunit",
                            rate(f"{name}jvm_gc_collection_seconds_sum", "gc"))),
                 (8, series("Requests refused by a full queue", "cps",
                            rate(f"{name}thread_pool_rejected_count", "type")))]),
        ],
    )  # fmt: skip


def _disk_left() -> Query:
    left = "sum(elasticsearch_filesystem_data_available_bytes)"
    return f"{left} / sum(elasticsearch_filesystem_data_size_bytes)", ""


def _heap() -> Query:
    used = 'elasticsearch_jvm_memory_used_bytes{area="heap"}'
    return f'{used} / elasticsearch_jvm_memory_max_bytes{{area="heap"}}', "{{name}}"


def _ratio(seconds: str, count: str) -> Query:
    top = f"sum by (name) (rate({seconds}[$__rate_interval]))"
    return f"{top} / sum by (name) (rate({count}[$__rate_interval]))", "{{name}}"


def resources() -> Json:
    """Pods and volumes, as the kubelet and kube-state-metrics tell."""
    where = 'container!="", container!="POD"'
    return grafana.page(
        "cryptostream-resources",
        "Resources",
        "Memory, processor, restarts and volumes by pod; needs kube-prometheus-stack.",
        [
            (9, [(12, series("Memory", "bytes",
                             gauge("container_memory_working_set_bytes", "pod", where=where))),
                 (12, series("Memory, share of its limit", "percentunit", _of_limit()))]),
            (9, [(12, series("Processors", "short",
                             rate("container_cpu_usage_seconds_total", "pod", where=where))),
                 (12, series("Held back by the processor limit, share of periods", "percentunit",
                             _throttled()))]),
            (9, [(8, series("Restarts", "short",
                            gauge("kube_pod_container_status_restarts_total", "pod"))),
                 (8, series("Pods not ready", "short",
                            gauge("kube_pod_status_ready", "pod", where='condition="false"'))),
                 (8, series("Volumes, share in use", "percentunit", _volumes()))]),
        ],
    )  # fmt: skip


def _of_limit() -> Query:
    used = (
        'sum by (pod, container) (container_memory_working_set_bytes{namespace=~"$namespace", '
        'container!="", container!="POD"})'
    )
    limit = (
        'sum by (pod, container) (kube_pod_container_resource_limits{namespace=~"$namespace", '
        'resource="memory"})'
    )
    return f"{used} / {limit}", "{{pod}} {{container}}"


def _throttled() -> Query:
    name = "container_cpu_cfs"
    top = f'sum by (pod) (rate({name}_throttled_periods_total{{namespace=~"$namespace"}}[5m]))'
    all_ = f'sum by (pod) (rate({name}_periods_total{{namespace=~"$namespace"}}[5m]))'
    return f"{top} / {all_}", "{{pod}}"


def _volumes() -> Query:
    name = "kubelet_volume_stats"
    left = f'{name}_available_bytes{{namespace=~"$namespace"}}'
    size = f'{name}_capacity_bytes{{namespace=~"$namespace"}}'
    return f"1 - {left} / {size}", "{{persistentvolumeclaim}}"
