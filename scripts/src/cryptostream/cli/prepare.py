"""From what was asked for to a plan that can run: check, choose the feed, fetch.

Nothing is started here, so nothing is half-started when it fails.
"""

from __future__ import annotations

import os
import re
import resource
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from cryptostream.cli import artifacts, doctor
from cryptostream.cli.clients import choose_client
from cryptostream.cli.errors import CliError
from cryptostream.cli.feed import bybit_answers, choose
from cryptostream.cli.fetch import fetch_all
from cryptostream.cli.jdk import find_jdk
from cryptostream.cli.paths import default_cache_dir, require_open_to_others
from cryptostream.cli.plan import Market, Plan, Ports, free_ports, listened
from cryptostream.cli.process import unprivileged_account
from cryptostream.cli.software import elasticsearch_home

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from cryptostream.cli.jdk import Jdk

MAX_SHARDS: Final = 8
_SYMBOLS: Final = re.compile(r"[A-Za-z0-9]{2,30}(,[A-Za-z0-9]{2,30})*")
_OPEN_FILES: Final = 65_536


@dataclass(frozen=True, slots=True)
class Wish:
    """What was asked for on the command line."""

    feed: Literal["auto", "bybit", "sim", "file"] = "auto"
    files: tuple[Path, ...] = ()
    symbols: str = ""
    shards: int = 1
    rate: float = 100.0
    speed: float = 1.0
    seed: int = 1
    board_port: int = Ports.board
    free_ports: bool = False


def check_wish(wish: Wish) -> None:
    """Raise `CliError` if the options don't make sense."""
    if wish.symbols and not _SYMBOLS.fullmatch(wish.symbols):
        raise CliError(f"--symbols was {wish.symbols!r}", "Name them as in BTCUSDT,ETHUSDT.")
    if not 1 <= wish.shards <= MAX_SHARDS:
        raise CliError(f"--shards was {wish.shards}", f"Take 1 to {MAX_SHARDS}.")
    if (wish.feed == "file") != bool(wish.files):
        raise CliError("--feed file and --file go together", "Name recorded trades with --file.")
    for path in wish.files:
        if not path.is_file() or "," in str(path):
            raise CliError(f"--file {path} is no file (or has a comma in its name)", "Name a file.")


def prepare(wish: Wish, home: Path, say: Callable[[str], None]) -> Plan:
    """Make the plan of a run in `home`; raises `CliError`."""
    check_wish(wish)
    feed = choose(bybit_answers, say) if wish.feed == "auto" else wish.feed
    market = Market(
        feed=feed,
        symbols=wish.symbols.upper(),
        files=tuple(path.absolute() for path in wish.files),
        rate=wish.rate,
        speed=wish.speed,
        seed=wish.seed,
    )
    given, cache = os.environ, default_cache_dir()
    own_kafka = not given.get("KAFKA_BOOTSTRAP_SERVERS")
    own_search = not given.get("ELASTICSEARCH_URL")
    ports = free_ports(wish.shards) if wish.free_ports else Ports()
    if wish.board_port != Ports.board:
        ports = replace(ports, board=wish.board_port)
    taken = listened(ports, market, wish.shards, kafka=own_kafka, search=own_search)
    doctor.require_sound(doctor.examine(taken, cache, home))
    _raise_open_files()
    jdk = find_jdk()
    _fetch_missing(jdk, cache, say, kafka=own_kafka, search=own_search)
    account = unprivileged_account()
    if account is not None and own_search:
        require_open_to_others(home, "CRYPTOSTREAM_STATE_DIR")
    return Plan(
        home=home,
        python=sys.executable,
        jdk=jdk,
        connector_jars=cache / artifacts.SPARK_KAFKA.directory,
        market=market,
        kafka_jars=cache / artifacts.KAFKA.directory if own_kafka else None,
        elasticsearch_home=elasticsearch_home(jdk, cache, say) if own_search else None,
        account=account,
        bootstrap=given.get("KAFKA_BOOTSTRAP_SERVERS", ""),
        elasticsearch_url=given.get("ELASTICSEARCH_URL", ""),
        shards=wish.shards,
        ports=ports,
    )


def _fetch_missing(
    jdk: Jdk, cache: Path, say: Callable[[str], None], *, kafka: bool, search: bool
) -> None:
    """Fetch side by side what this run needs and the cache lacks."""
    bundles = [artifacts.SPARK_KAFKA]
    if kafka:
        bundles.append(artifacts.KAFKA)
    if search and not os.environ.get("ELASTICSEARCH_HOME"):
        bundles.append(artifacts.ELASTICSEARCH)
    fetch_all(bundles, cache, lambda: choose_client(jdk), say)


def _raise_open_files() -> None:
    """Let the components open as many files as the system allows us to."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
