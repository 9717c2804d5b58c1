"""The stack as a list of components, in the order of their needs. Pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptostream.cli.component import Component, Probe
from cryptostream.cli.elasticsearch import elasticsearch
from cryptostream.cli.kafka import kafka

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.cli.plan import Plan

#: Enough for a first small model within seconds; a real one comes from recorded trades.
TRAINING_TRADES: Final = 60_000
_TRAINING_SEED: Final = 7
#: Trades a second: the sample spans an hour and a half, enough blocks for honest intervals.
_TRAINING_RATE: Final = 10
_SETTINGS: Final = (
    "cryptostream.contracts.settings:KafkaSettings",
    "cryptostream.contracts.settings:ElasticsearchSettings",
    "cryptostream.simulator.settings:SimulatorSettings",
    "cryptostream.ingest.settings:IngestSettings",
    "cryptostream.predictor.settings:PredictorSettings",
    "cryptostream.stream.settings:StreamSettings",
    "cryptostream.board.settings:BoardSettings",
    "cryptostream.models.live_settings:ScoreboardSettings",
    "cryptostream.alerts.settings:AlertsSettings",
)
#: Two cores are busy starting: the second compiler gets only what is really hot, a quarter of
#: what it would take.
_QUICK_JVM: Final = (
    "-XX:Tier4InvocationThreshold=20000 -XX:Tier4MinInvocationThreshold=3000 "
    "-XX:Tier4CompileThreshold=60000 -XX:Tier4BackEdgeThreshold=160000 -XX:-UsePerfData"
)


def stack(plan: Plan) -> tuple[Component, ...]:
    """List the components of a run; each comes after what it needs."""
    servers = _servers(plan)
    rest = [
        *_setup(plan, {server.name for server in servers}),
        *_training(plan),
        _predictor(plan),
        _stream(plan),
        *_ingest(plan),
        _board(plan),
        _scoreboard(plan),
        _alerts(plan),
    ]
    parts = [*servers, *rest]
    if plan.market.is_simulated:
        if plan.market.files or plan.market.symbols:
            # The simulator finds a bad file or symbol within a second: nothing starts before.
            parts = _after("simulator", parts)
        parts = [_simulator(plan), *parts]
    return (_settings(plan, parts), *_after("settings", parts))


def _after(name: str, parts: list[Component]) -> list[Component]:
    return [part if part.needs else replace(part, needs=(name,)) for part in parts]


def _settings(plan: Plan, parts: list[Component]) -> Component:
    """Try all settings at once: a wrong one is told before anything has started."""
    return Component(
        name="settings",
        argv=(plan.python, "-m", "cryptostream.contracts.check", *_SETTINGS),
        probe=Probe("exit"),
        env={name: value for part in parts for name, value in part.env.items()},
    )


def urls(plan: Plan) -> dict[str, str]:
    """Name the addresses that a person wants to open, by what they show."""
    predictor = f"http://127.0.0.1:{plan.ports.predictor}"
    return {
        "board": f"http://127.0.0.1:{plan.ports.board}",
        "elasticsearch": plan.search_url,
        "example query": f"{plan.search_url}/crypto-trades-*/_search?q=symbol:BTCUSDT"
        "&sort=trade_time:desc&size=3&pretty",
        "predictor": predictor,
        "metrics": f"http://127.0.0.1:{plan.ports.stream}/metrics",
    }


def _servers(plan: Plan) -> list[Component]:
    found = []
    if not plan.bootstrap and plan.kafka_jars is not None:
        ports = {"port": plan.ports.kafka, "controller_port": plan.ports.kafka_controller}
        found.append(kafka(plan.jdk, plan.kafka_jars, plan.home / "kafka", **ports))
    if not plan.elasticsearch_url and plan.elasticsearch_home is not None:
        found.append(
            elasticsearch(
                plan.jdk,
                plan.elasticsearch_home,
                plan.home / "elasticsearch",
                port=plan.ports.elasticsearch,
                transport_port=plan.ports.elasticsearch_transport,
                account=plan.account,
            )
        )
    return found


def _setup(plan: Plan, servers: set[str]) -> list[Component]:
    return [
        Component(
            name=task,
            argv=(plan.python, "-m", "cryptostream.cli.setup", task),
            probe=Probe("exit"),
            needs=(server,) if server in servers else (),
            env=_shared(plan),
        )
        for task, server in (("topics", "kafka"), ("templates", "elasticsearch"))
    ]


def _simulator(plan: Plan) -> Component:
    market = plan.market
    return Component(
        name="simulator",
        argv=(plan.python, "-m", "cryptostream.simulator", "serve"),
        probe=Probe("http", f"{plan.simulator_url}/healthz"),
        port=plan.ports.simulator,
        env={
            "SIMULATOR_HOST": "127.0.0.1",
            "SIMULATOR_PORT": str(plan.ports.simulator),
            "SIMULATOR_SYMBOLS": market.symbols,
            "SIMULATOR_RATE": str(market.rate),
            "SIMULATOR_SPEED": str(market.speed),
            "SIMULATOR_SEED": str(market.seed),
            "SIMULATOR_FILE": ",".join(str(path) for path in market.files),
        },
        memory_mb=500,
    )


def _training(plan: Plan) -> list[Component]:
    trades, home = plan.home / "training", plan.home / "models"
    generate = Component(
        name="training-trades",
        argv=(
            plan.python, "-m", "cryptostream.simulator", "generate",
            "--trades", str(TRAINING_TRADES), "--rate", str(_TRAINING_RATE),
            "--seed", str(_TRAINING_SEED), "--out", str(trades),
        ),
        probe=Probe("exit"),
        directories=(trades,),
    )  # fmt: skip
    train = Component(
        name="training",
        argv=(
            plan.python, "-m", "cryptostream.models", "train", "--trades", str(trades),
            "--store", str(home / "store"), "--pointer", str(_pointer(plan)),
        ),
        probe=Probe("exit"),
        needs=("training-trades",),
        env={"BENTOML_HOME": str(home / "store"), **_QUIET_BENTOML},
        directories=(home, home / "store"),
        note=f"training a first small model on {TRAINING_TRADES:,} simulated trades",
        start_seconds=180.0,
    )  # fmt: skip
    return [generate, train]


_QUIET_BENTOML: Final = {"BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1"}


def _pointer(plan: Plan) -> Path:
    return plan.home / "models" / "current.json"


def _predictor(plan: Plan) -> Component:
    url = f"http://127.0.0.1:{plan.ports.predictor}"
    return Component(
        name="predictor",
        argv=(plan.python, "-m", "cryptostream.predictor"),
        probe=Probe("http", f"{url}/readyz"),
        needs=("training",),
        port=plan.ports.predictor,
        env={
            "PREDICTOR_HOST": "127.0.0.1",
            "PREDICTOR_PORT": str(plan.ports.predictor),
            "PREDICTOR_POINTER": str(_pointer(plan)),
            "BENTOML_HOME": str(plan.home / "models" / "store"),
            **_QUIET_BENTOML,
        },
        memory_mb=600,
    )


def _stream(plan: Plan) -> Component:
    home = plan.home / "stream"
    temporary = home / "tmp"
    return Component(
        name="stream",
        argv=(plan.python, "-m", "cryptostream.stream"),
        probe=Probe("http", f"http://127.0.0.1:{plan.ports.stream}/readyz"),
        # It waits for the templates by itself: Spark can start while Elasticsearch does.
        needs=("topics",),
        port=plan.ports.stream,
        cwd=home,
        env={
            **_shared(plan),
            "JAVA_HOME": str(plan.jdk.home),
            "JDK_JAVA_OPTIONS": f"{_QUICK_JVM} -Djava.io.tmpdir={temporary}",
            "SPARK_LOCAL_DIRS": str(temporary),
            "STREAM_CHECKPOINT": str(home / "checkpoint"),
            "STREAM_JARS": str(plan.connector_jars),
            "STREAM_PREDICTOR_URL": f"http://127.0.0.1:{plan.ports.predictor}",
            "STREAM_METRICS_PORT": str(plan.ports.stream),
        },
        directories=(home, temporary),
        memory_mb=1600,
        start_seconds=180.0,
    )


def _ingest(plan: Plan) -> list[Component]:
    """Ingest comes last, so that the first trade already meets all that waits for it."""
    needs = [
        "topics",
        "templates",
        "stream",
        "predictor",
        *(["simulator"] if plan.simulator_url else []),
    ]
    exchange = {
        "INGEST_WS_URL": f"ws://127.0.0.1:{plan.ports.simulator}/v5/public/spot",
        "INGEST_REST_URL": plan.simulator_url,
    }
    return [
        Component(
            name=f"ingest-{shard}",
            argv=(plan.python, "-m", "cryptostream.ingest"),
            probe=Probe("http", f"http://127.0.0.1:{plan.ports.ingest + shard}/readyz"),
            needs=tuple(needs),
            port=plan.ports.ingest + shard,
            env={
                **_shared(plan),
                **(exchange if plan.simulator_url else {}),
                "INGEST_SYMBOLS": plan.market.symbols,
                "INGEST_SHARD": f"{shard}/{plan.shards}",
                "INGEST_METRICS_PORT": str(plan.ports.ingest + shard),
            },
            memory_mb=200,
        )
        for shard in range(plan.shards)
    ]


def _scoreboard(plan: Plan) -> Component:
    return Component(
        name="scoreboard",
        argv=(plan.python, "-m", "cryptostream.models", "scoreboard"),
        probe=Probe("http", f"http://127.0.0.1:{plan.ports.scoreboard}/livez"),
        needs=("topics", "templates", "stream"),
        port=plan.ports.scoreboard,
        env={
            **_shared(plan),
            "OMP_NUM_THREADS": "1",
            "SCOREBOARD_METRICS_PORT": str(plan.ports.scoreboard),
            "SCOREBOARD_POINTER": str(_pointer(plan)),
        },
        memory_mb=220,
    )


def _board(plan: Plan) -> Component:
    return Component(
        name="board",
        argv=(plan.python, "-m", "cryptostream.board"),
        probe=Probe("http", f"http://127.0.0.1:{plan.ports.board}/healthz"),
        needs=("topics", "templates"),
        port=plan.ports.board,
        env={
            **_shared(plan),
            "BOARD_HOST": "127.0.0.1",
            "BOARD_PORT": str(plan.ports.board),
            "BOARD_MEMORY_URL": f"http://127.0.0.1:{plan.ports.metrics}/metrics",
        },
        memory_mb=200,
    )


def _alerts(plan: Plan) -> Component:
    """Deliver alerts: printed to the log, or sent by Telegram if ALERTS_TELEGRAM_TOKEN is set."""
    home = plan.home / "alerts"
    return Component(
        name="alerts",
        argv=(plan.python, "-m", "cryptostream.alerts"),
        probe=Probe("http", f"http://127.0.0.1:{plan.ports.alerts}/livez"),
        needs=("topics", "templates"),
        port=plan.ports.alerts,
        env={
            **_shared(plan),
            "ALERTS_STATE": str(home),
            "ALERTS_PORT": str(plan.ports.alerts_webhook),
            "ALERTS_METRICS_PORT": str(plan.ports.alerts),
            "ALERTS_BOARD_URL": f"http://127.0.0.1:{plan.ports.board}",
        },
        directories=(home,),
        memory_mb=80,
    )


def _shared(plan: Plan) -> dict[str, str]:
    return {
        "KAFKA_BOOTSTRAP_SERVERS": plan.kafka_address,
        "ELASTICSEARCH_URL": plan.search_url,
    }
