"""The whole service: real Kafka and Elasticsearch, a true Bot API, and a process that is killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from support.alerts import alert
from support.documents import candle, write
from support.eventually import eventually
from support.kafka_topics import TopicReader, empty_topic
from support.servers import free_ports
from support.telegram import TOKEN, BotServer, Fault, serving_in_thread

from cryptostream.contracts.messages import Alert, encode
from cryptostream.contracts.topics import ALERTS, DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PERSON, OTHER, GROUP = "4711", "4712", "-1001234567890"
SEED = 20_261_123


class Service:
    """The process, which can be killed and started again over one state folder."""

    def __init__(self, folder: Path, bootstrap: str, search: str, **settings: str) -> None:
        self.port, self.metrics_port = free_ports(2)
        self.log, self.output = folder / "log", folder / "out"
        self.group = f"test-{uuid4().hex[:8]}"
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("ALERTS_")},
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "ELASTICSEARCH_URL": search,
            "ALERTS_STATE": str(folder / "state"),
            "ALERTS_GROUP": self.group,
            "ALERTS_PORT": str(self.port),
            "ALERTS_METRICS_PORT": str(self.metrics_port),
            "ALERTS_LOG_LEVEL": "DEBUG",
            **settings,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it serves."""
        with self.log.open("ab") as log, self.output.open("ab") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cryptostream.alerts"],
                env=self._environment, stdout=out, stderr=log,
            )  # fmt: skip
        eventually(self.is_live, within=90)

    def is_live(self) -> bool:
        """Tell whether it answers."""
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3_000:]
        return self._asked("livez") == 200

    def is_ready(self) -> bool:
        """Tell whether it got its topic."""
        return self._asked("readyz") == 200

    def _asked(self, path: str) -> int:
        try:
            return httpx.get(f"http://127.0.0.1:{self.metrics_port}/{path}").status_code
        except httpx.HTTPError:
            return 0

    def kill(self) -> None:
        """Kill it as a machine does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """Ask it to end; give its status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@contextmanager
def running(folder: Path, bootstrap: str, search: str, **settings: str) -> Iterator[Service]:
    """Run a service; whatever the test did, no process stays."""
    service = Service(folder, bootstrap, search, **settings)
    service.start()
    try:
        yield service
    finally:
        if service.process is not None and service.process.poll() is None:
            service.process.kill()
            service.process.wait(10)


@pytest.fixture
def bot() -> Iterator[BotServer]:
    """Give a Bot API server in a thread of its own."""
    yield from serving_in_thread(BotServer(chats={PERSON, OTHER, GROUP}))


@pytest.fixture
def bootstrap(kafka_bootstrap: str) -> str:
    """Give Kafka with no alert in it."""
    empty_topic(kafka_bootstrap, ALERTS)
    return kafka_bootstrap


def telegram(bot: BotServer, *chats: str) -> dict[str, str]:
    """Give the settings of the channel."""
    return {
        "ALERTS_TELEGRAM_TOKEN": TOKEN,
        "ALERTS_TELEGRAM_URL": bot.url,
        "ALERTS_TELEGRAM_CHATS": ",".join(chats),
        "ALERTS_DIGEST_AFTER": "1000",
    }


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def produce(bootstrap: str, *payloads: bytes) -> None:
    """Put payloads into the topic and wait for them."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for payload in payloads:
        producer.produce(ALERTS, payload)
    assert producer.flush(30) == 0


def receipts(search: str, alerts: list[Alert]) -> list[dict[str, Any]]:
    """Give the receipts of these alerts."""
    body = {
        "size": 1_000,
        "query": {"terms": {"alert_id": [one.alert_id for one in alerts]}},
    }
    path = f"{search}/crypto-receipts-*/_search?ignore_unavailable=true"
    answer = httpx.post(path, json=body, timeout=10).json()
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def committed(bootstrap: str, group: str) -> int:
    """Give the group's offset; -1001 before the first."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": group})
    try:
        (found,) = consumer.committed([TopicPartition(ALERTS, 0)], timeout=10)
        return int(found.offset)
    finally:
        consumer.close()


def end_offset(bootstrap: str) -> int:
    """Give the topic's end."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-ends"})
    try:
        return int(consumer.get_watermark_offsets(TopicPartition(ALERTS, 0), timeout=10)[1])
    finally:
        consumer.close()


def test_kills_lose_and_double_nothing(
    bot: BotServer, bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """Eight kill -9 among 24 alerts to three chats, with a Bot API that fails in every way."""
    draw = random.Random(SEED)
    sent = [alert(number, now_ms()) for number in range(24)]
    chats = (PERSON, OTHER, GROUP)
    settings = telegram(bot, *chats)
    with running(tmp_path, bootstrap, elasticsearch_url, **settings) as service:
        for part in range(8):
            produce(bootstrap, *(encode(one) for one in sent[part * 3 : part * 3 + 3]))
            kind = ("hang", "swallow", "500", "drop", "429", "garbage", "hang", "hang")[part]
            bot.faults.append(Fault("sendMessage", kind, times=2))
            seen = bot.count("sendMessage") + draw.randint(1, 4)
            eventually(lambda seen=seen: bot.count("sendMessage") >= seen, within=60)  # type: ignore[misc]
            service.kill()
            service.start()
        bot.faults.clear()
        eventually(
            lambda: sum(one["state"] == "sent" for one in receipts(elasticsearch_url, sent)) == 72,
            within=240,
        )
        eventually(lambda: committed(bootstrap, service.group) == end_offset(bootstrap), within=90)
        assert service.stop() == 0
    for chat in chats:
        shown = sorted(one.text.split()[1] for one in bot.alerts_in(chat))
        assert shown == sorted(one.symbol for one in sent), f"chat {chat}, seed {SEED}"
    assert TOKEN not in service.log.read_text()
    assert TOKEN not in service.output.read_text()


def test_an_offset_waits_for_its_receipt(
    bot: BotServer, bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """While Telegram is down nothing is committed, so a lost state folder loses no alert."""
    bot.faults.append(Fault("sendMessage", "500", times=10_000))
    one = alert(1, now_ms())
    with running(tmp_path, bootstrap, elasticsearch_url, **telegram(bot, PERSON)) as service:
        produce(bootstrap, encode(one))
        eventually(lambda: receipts(elasticsearch_url, [one]), within=90)
        (receipt,) = receipts(elasticsearch_url, [one])
        assert (receipt["state"], receipt["reason"]) == ("retried", "http_500")
        assert committed(bootstrap, service.group) < end_offset(bootstrap)
        service.kill()
        for path in (tmp_path / "state").iterdir():
            path.unlink()
        bot.faults.clear()
        service.start()
        eventually(lambda: bot.alerts_in(PERSON), within=90)
        eventually(lambda: committed(bootstrap, service.group) == end_offset(bootstrap), within=90)


def test_without_a_token_alerts_are_printed(
    bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """Standard output alone works, the log says so, and a broken message is a dead letter."""
    letters = TopicReader(bootstrap, DEAD_LETTERS)
    one = alert(1, now_ms())
    with running(tmp_path, bootstrap, elasticsearch_url) as service:
        produce(bootstrap, b'{"nonsense": 1}', encode(one), encode(one))
        eventually(lambda: receipts(elasticsearch_url, [one]), within=90)
        eventually(letters.read, within=60)
        eventually(lambda: committed(bootstrap, service.group) == end_offset(bootstrap), within=90)
        assert service.is_ready()
        assert service.stop() == 0
    lines = [json.loads(line) for line in service.output.read_text().splitlines()]
    assert len(lines) == 1
    assert lines[0]["text"].startswith("🟠 S1USDT price jump")
    assert "no_telegram" in service.log.read_text()
    assert [json.loads(found.value())["component"] for found in letters.messages] == ["alerts"]
    letters.close()


def alarms(status: str = "firing") -> dict[str, Any]:
    """Make a payload of Alertmanager, version 4."""
    return {
        "version": "4",
        "groupKey": '{}:{alertname="StreamLag"}',
        "truncatedAlerts": 0,
        "status": status,
        "receiver": "cryptostream",
        "groupLabels": {"alertname": "StreamLag"},
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "alerts": [
            {
                "status": status,
                "labels": {"alertname": "StreamLag", "severity": "critical"},
                "annotations": {"summary": "The stream is 40 s behind"},
                "startsAt": "2026-11-23T04:00:00.123456789Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus:9090/graph",
                "fingerprint": "c0ffee0123456789",
            }
        ],
    }


def test_alarms_and_commands(
    bot: BotServer, bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """An alarm reaches the chat once, commands are answered, and a stranger is refused."""
    symbol = f"C{uuid4().hex[:8].upper()}USDT"
    start = now_ms() // 60_000 * 60_000
    write(elasticsearch_url, [candle(symbol, "1m", start - n * 60_000) for n in range(30)])
    settings = {**telegram(bot, PERSON), "ALERTS_ALERTMANAGER_TOKEN": "s3cret-of-the-door"}
    with running(tmp_path, bootstrap, elasticsearch_url, **settings) as service:
        url = f"http://127.0.0.1:{service.port}/alertmanager"
        headers = {"Authorization": "Bearer s3cret-of-the-door"}
        assert httpx.post(url, json=alarms()).status_code == 401
        assert httpx.post(url, json={"version": "3"}, headers=headers).status_code == 400
        for status in ("firing", "firing", "resolved"):
            assert httpx.post(url, json=alarms(status), headers=headers).status_code == 200
        eventually(lambda: len(bot.alerts_in(PERSON)) == 2, within=90)
        for text, answer in (
            ("/status", "Gaps in 24 h"),
            (f"/chart {symbol} 1m", f"{symbol} 1m"),
            ("/price NOPEUSDT", "No trade of NOPEUSDT"),
            ("/alerts", "StreamLag"),
            ("/top", "hour"),
            ("/mute 2h BTCUSDT", "Muted until"),
            ("/subscribe symbols=BTCUSDT quiet=22:00-07:00", "Quiet hours: 22:00-07:00"),
            ("/nonsense", "/status how the pipeline is"),
        ):
            bot.write(PERSON, text)
            eventually(lambda answer=answer: answer in bot.in_chat(PERSON)[-1].text, within=60)  # type: ignore[misc]
        assert any(one.photo for one in bot.in_chat(PERSON))
        bot.chats.add("666")
        bot.raw_update({"message": {"message_id": "x"}})
        bot.write("666", "/status")
        eventually(lambda: bot.in_chat("666"), within=60)
        assert "does not answer here" in bot.in_chat("666")[0].text
        bot.press(bot.alerts_in(PERSON)[0])
        eventually(lambda: bot.count("answered"), within=60)
        assert service.stop() == 0
    assert {"s3cret-of-the-door", TOKEN} & set(service.log.read_text().split('"')) == set()
    assert TOKEN not in service.log.read_text()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"ALERTS_TELEGRAM_TOKEN": "71:no token"}, "ALERTS_TELEGRAM_TOKEN"),
        ({"ALERTS_TELEGRAM_TOKEN": TOKEN}, "ALERTS_TELEGRAM_CHATS"),
        ({"ALERTS_TELEGRAM_TOKEN_FILE": "/nowhere"}, "ALERTS_TELEGRAM_TOKEN_FILE"),
        ({"ALERTS_QUIET": "night"}, "ALERTS_QUIET"),
        ({"ALERTS_ZONE": "Mars/Base"}, "ALERTS_ZONE"),
        ({"ALERTS_STATE": "/proc/none"}, "ALERTS_STATE"),
    ],
)
def test_wrong_settings_end_it_with_one_line(
    settings: dict[str, str], named: str, tmp_path: Path
) -> None:
    """The line names the variable, the status is 2, and the token is not in it."""
    environment = {**os.environ, "ALERTS_STATE": str(tmp_path), **settings}
    ended = subprocess.run(
        [sys.executable, "-m", "cryptostream.alerts"],
        env=environment, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert named in ended.stderr.splitlines()[-1]
    assert TOKEN not in ended.stderr
    assert "no token" not in ended.stderr.replace("this is no token", "")
