"""What a machine must have, and how it is told."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cryptostream.cli import doctor, prepare
from cryptostream.cli.errors import CliError
from cryptostream.cli.feed import bybit_answers, choose
from cryptostream.cli.prepare import Wish, check_wish

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def taken_port() -> Iterator[int]:
    """Give a port that this very process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_in_use_is_told_with_its_holder(taken_port: int, tmp_path: Path) -> None:
    """The check names the port, what wanted it, who has it and the way out."""
    checks = doctor.examine({taken_port: "board"}, tmp_path, tmp_path)
    (check,) = [one for one in checks if one.name == f"port {taken_port}"]
    assert not check.ok
    assert "wanted for board" in check.detail
    assert "pid" in check.detail
    assert "--free-ports" in check.remedy
    with pytest.raises(CliError, match=f"port {taken_port}"):
        doctor.require_sound(checks)


def test_too_little_memory_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message has the figure and what is needed."""
    monkeypatch.setattr(doctor, "available_memory", lambda: 1e9)
    (check,) = [one for one in doctor.examine({}, tmp_path, tmp_path) if one.name == "memory"]
    assert (check.ok, check.detail) == (False, "1 GB available, 4.5 needed")
    assert check.remedy


def test_no_jdk_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check carries the finder's own words."""

    def none_found() -> None:
        raise CliError("No JDK >= 21 was found", "Install one.")

    monkeypatch.setattr(doctor, "find_jdk", none_found)
    (check,) = [one for one in doctor.examine({}, tmp_path, tmp_path) if one.name == "jdk"]
    assert (check.ok, check.detail, check.remedy) == (
        False,
        "No JDK >= 21 was found",
        "Install one.",
    )


def test_checks_are_rendered_for_machines(tmp_path: Path) -> None:
    """The JSON says whether all is well, and each check with its remedy."""
    told = doctor.as_json(doctor.examine({}, tmp_path, tmp_path / "not" / "there"))
    assert set(told) == {"ok", "checks"}
    assert all(set(one) == {"name", "ok", "detail", "remedy"} for one in told["checks"])


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        (Wish(symbols="BTC USDT"), "--symbols"),
        (Wish(shards=0), "--shards"),
        (Wish(feed="file"), "--file"),
        (Wish(feed="sim", files=(Path("/x"),)), "--file"),
        (Wish(feed="file", files=(Path("/no/such.csv"),)), "such.csv"),
    ],
)
def test_options_that_make_no_sense_are_refused(wish: Wish, message: str) -> None:
    """Each is one line that names the option."""
    with pytest.raises(CliError, match=message) as caught:
        check_wish(wish)
    assert "\n" not in str(caught.value)


def test_nothing_is_fetched_on_an_unsound_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine is looked at before anything else is done."""
    bad = [doctor.Check("memory", ok=False, detail="little", remedy="Buy some.")]
    monkeypatch.setattr(doctor, "examine", lambda *_: bad)
    monkeypatch.setattr(prepare, "fetch_all", lambda *_: pytest.fail("fetched"))
    with pytest.raises(CliError, match="memory: little"):
        prepare.prepare(Wish(feed="sim"), tmp_path, lambda _: None)


def test_the_feed_is_chosen_and_told() -> None:
    """Bybit is taken if it answers, else the simulator; either way it is said."""
    said: list[str] = []
    assert choose(lambda: True, said.append) == "bybit"
    assert choose(lambda: False, said.append) == "sim"
    assert "Bybit answers" in said[1]
    assert "simulator" in said[3]


def test_an_exchange_out_of_reach_does_not_answer() -> None:
    """A closed port is no exchange."""
    assert not bybit_answers("http://127.0.0.1:9/", timeout=0.5)
