"""A Prometheus in the cluster: it scrapes every component, and the pages of Grafana find values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from support.dashboard_files import grafana_dashboards
from support.eventually import eventually
from support.kube import MONITORING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.kube import Kube

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(600), pytest.mark.usefixtures("installed")]
#: A pod's start, two scrapes, and the window of a rate.
SCRAPED_SECONDS = 300.0
POLL_SECONDS = 3.0
COMPONENTS = {
    "ingest", "stream", "predictor", "scoreboard", "alerts", "board", "audit", "simulator",
}  # fmt: skip
#: Of Kafka's exporter, which Strimzi brings; of alerts, which a calm market may not give.
NOT_HERE = ("kafka_consumergroup_lag", "cryptostream_stream_alert_seconds")


@pytest.fixture(scope="module", autouse=True)
def monitored(kube: Kube) -> None:
    """Skip where there is no Prometheus, or a release that was installed before it."""
    if kube.tried("--namespace", MONITORING, "get", "service", "prometheus-operated").returncode:
        pytest.skip(f"there is no Prometheus in the namespace {MONITORING}")
    if not kube.objects("podmonitors.monitoring.coreos.com"):
        pytest.skip("the release was installed without monitoring.enabled")


def lag_queries() -> Iterator[tuple[str, str]]:
    """Give the title and each query of the panels about lag."""
    for panel in grafana_dashboards()["cryptostream-lag"]["panels"]:
        for target in panel.get("targets", ()):
            if not any(name in target["expr"] for name in NOT_HERE):
                yield panel["title"], target["expr"]


def values(kube: Kube, query: str) -> list[float]:
    """Give the values of a query's series now."""
    answer: dict[str, Any] = kube.prometheus("query", query=query)
    return [float(series["value"][1]) for series in answer["result"]]


def test_every_component_is_scraped(kube: Kube) -> None:
    """Through the network policies, Prometheus reads each pod of the release."""

    def scraped() -> bool:
        answer = kube.prometheus("query", query=f'up{{namespace="{kube.namespace}"}}')
        up = {one["metric"]["job"].rpartition("/")[2]: one["value"][1] for one in answer["result"]}
        assert set(up) >= COMPONENTS, up
        assert set(up.values()) == {"1"}, up
        return True

    assert eventually(scraped, within=SCRAPED_SECONDS, poll=POLL_SECONDS)


@pytest.mark.parametrize(("title", "query"), list(lag_queries()))
def test_a_panel_about_lag_has_values(kube: Kube, title: str, query: str) -> None:
    """What the page asks gives numbers, with the page's variables put in."""
    asked = query.replace("$namespace", kube.namespace).replace("$__rate_interval", "2m")

    def answered() -> bool:
        found = values(kube, asked)
        assert found, f"{title}: nothing"
        assert all(map(math.isfinite, found)), f"{title}: {found}"
        return True

    assert eventually(answered, within=SCRAPED_SECONDS, poll=POLL_SECONDS)


def test_every_rule_is_evaluated(kube: Kube) -> None:
    """Prometheus took up the release's rules, and finds no fault in any of them."""

    def evaluated() -> bool:
        groups = kube.prometheus("rules")["groups"]
        ours = [
            rule for group in groups if kube.namespace in group["file"] for rule in group["rules"]
        ]
        assert ours
        assert {rule["health"] for rule in ours} == {"ok"}, ours
        return True

    assert eventually(evaluated, within=SCRAPED_SECONDS, poll=POLL_SECONDS)
