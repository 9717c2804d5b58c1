"""The stack as data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cryptostream.cli.component import Component, Probe, all_needs
from cryptostream.cli.jdk import Jdk
from cryptostream.cli.plan import Market, Plan, Ports, free_ports, listened
from cryptostream.cli.stack import stack, urls
from cryptostream.contracts import check

PLAN = Plan(
    home=Path("/run/x"),
    python="python",
    jdk=Jdk(Path("/jdk"), 25),
    connector_jars=Path("/cache/spark"),
    market=Market(),
    kafka_jars=Path("/cache/kafka"),
    elasticsearch_home=Path("/cache/es"),
)


def named(plan: Plan) -> dict[str, Component]:
    """Give the components of a plan by name."""
    return {part.name: part for part in stack(plan)}


@pytest.mark.parametrize(
    "market",
    [Market(), Market("bybit"), Market("file", files=(Path("/a.csv"),)), Market(symbols="BTCUSDT")],
)
def test_each_component_comes_after_what_it_needs(market: Market) -> None:
    """The list is in an order in which it can be started."""
    parts = stack(replace(PLAN, market=market, shards=3))
    assert len(all_needs(parts)) == len(parts)


def test_ingest_waits_for_the_whole_way() -> None:
    """The first trade meets a stream, a predictor and all servers, directly or through others."""
    needs = all_needs(stack(PLAN))["ingest-0"]
    assert needs >= {"kafka", "elasticsearch", "topics", "templates", "stream", "predictor"}


def test_servers_of_the_users_own_replace_ours() -> None:
    """With both addresses given neither server starts, and every component is told them."""
    plan = replace(PLAN, bootstrap="k:9092", elasticsearch_url="https://es:9200")
    parts = named(plan)
    assert not {"kafka", "elasticsearch"} & set(parts)
    assert parts["topics"].env["KAFKA_BOOTSTRAP_SERVERS"] == "k:9092"
    assert parts["stream"].env["ELASTICSEARCH_URL"] == "https://es:9200"
    assert urls(plan)["elasticsearch"] == "https://es:9200"


def test_the_real_exchange_needs_no_simulator() -> None:
    """With Bybit nothing points ingest elsewhere."""
    parts = named(replace(PLAN, market=Market("bybit")))
    assert "simulator" not in parts
    assert "INGEST_WS_URL" not in parts["ingest-0"].env


def test_shards_have_their_own_ports() -> None:
    """Each shard reads its part and serves its metrics on a port of its own."""
    parts = named(replace(PLAN, shards=2))
    assert [parts[f"ingest-{shard}"].env["INGEST_SHARD"] for shard in (0, 1)] == ["0/2", "1/2"]
    assert [parts[f"ingest-{shard}"].port for shard in (0, 1)] == [19101, 19102]


def test_a_file_or_a_symbol_is_looked_at_before_all_else() -> None:
    """What the simulator can refuse is refused before a server starts."""
    market = Market("file", files=(Path("/a.csv"), Path("/b.csv")))
    parts = named(replace(PLAN, market=market))
    assert parts["kafka"].needs == parts["elasticsearch"].needs == ("simulator",)
    assert parts["simulator"].env["SIMULATOR_FILE"] == "/a.csv,/b.csv"


@pytest.mark.parametrize("market", [Market(), Market("bybit"), Market(symbols="BTCUSDT")])
def test_settings_are_tried_before_all_else(
    market: Market, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing starts before the settings of every service, and a wrong one is named there."""
    parts = stack(replace(PLAN, market=market))
    needs = all_needs(parts)
    assert all("settings" in needs[part.name] for part in parts[1:])
    for name, value in parts[0].env.items():
        monkeypatch.setenv(name, value)
    kinds = list(parts[0].argv[3:])
    assert check.main(kinds) == 0
    monkeypatch.setenv("STREAM_CORES", "two")
    monkeypatch.setenv("BOARD_PORT", "-1")
    assert check.main(kinds) == 2
    told = capsys.readouterr().err
    assert "STREAM_CORES" in told
    assert "BOARD_PORT" in told


def test_the_stack_is_built_to_stay_small() -> None:
    """The services' bounds add up to what the doctor asks for."""
    assert sum(part.memory_mb for part in stack(PLAN) if not part.is_task) <= 5000


def test_ports_that_are_listened_on_are_known() -> None:
    """Every component's port is among those that are looked at first."""
    ports = listened(Ports(), Market(), 2, kafka=True, search=True)
    assert {part.port for part in stack(replace(PLAN, shards=2)) if part.port} <= set(ports)
    assert 19200 not in listened(Ports(), Market(), 1, kafka=True, search=False)


def test_free_ports_are_all_different() -> None:
    """No two components get the same port, shards included."""
    ports = free_ports(4)
    assert len(listened(ports, Market(), 4, kafka=True, search=True)) == 12 + 4


def test_a_need_that_comes_later_is_an_error() -> None:
    """A list in the wrong order can't be started."""
    with pytest.raises(KeyError):
        all_needs([Component("a", ("x",), Probe("exit"), needs=("b",))])


def test_alerts_keep_their_outbox_with_the_run() -> None:
    """The outbox lives in the run's folder, and the messages link to the run's board."""
    alerts = named(PLAN)["alerts"]
    assert alerts.env["ALERTS_STATE"] == "/run/x/alerts"
    assert alerts.env["ALERTS_BOARD_URL"] == urls(PLAN)["board"]
    assert alerts.memory_mb == 80
