"""Putting dashboards into a Kibana that checks every request."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import SecretStr
from support.dashboard_files import KIBANA, kibana_dashboards
from support.kibana import PASSWORD, USER, FakeKibana, running_kibana

from cryptostream.cli import kibana, setup
from cryptostream.cli.errors import CliError
from cryptostream.cli.kibana import Kibana, KibanaSettings, encoded, put_dashboards, steps
from cryptostream.contracts.mappings import PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def server() -> Iterator[FakeKibana]:
    """Give a Kibana that is up."""
    with running_kibana(FakeKibana()) as running:
        yield running


def settings(server: FakeKibana, **changes: Any) -> KibanaSettings:
    """Give settings with which the server is reached."""
    login = {"username": USER, "password": SecretStr(PASSWORD)}
    return KibanaSettings(**({"url": server.url, "dashboards": KIBANA} | login | changes))


def test_everything_is_put_in_place_and_a_second_run_changes_nothing(server: FakeKibana) -> None:
    """Data views, dashboards and saved objects are there; again, they are the same."""
    names = put_dashboards(settings(server))
    held = copy.deepcopy((server.views, server.dashboards, server.saved))
    assert len(server.views) == len(PROPERTIES)
    assert set(server.dashboards) == set(kibana_dashboards())
    assert set(server.saved) == {"crypto-charts"}
    assert put_dashboards(settings(server)) == names
    assert (server.views, server.dashboards, server.saved) == held


def test_a_kibana_that_starts_is_waited_for(
    server: FakeKibana, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 is tried again until Kibana is up."""
    monkeypatch.setattr(kibana, "RETRY_SECONDS", 0.01)
    server.starting = 3
    put_dashboards(settings(server))
    assert set(server.dashboards) == set(kibana_dashboards())


def test_the_wait_has_an_end() -> None:
    """A Kibana that never answers is one clear error once the time is over."""
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    chosen = KibanaSettings(url="http://127.0.0.1:1", dashboards=KIBANA, wait_seconds=60)
    client = Kibana(chosen, clock=lambda: now[0], sleep=sleep)
    with pytest.raises(CliError, match=r"within 60 s.*KIBANA_URL"):
        client.apply(steps(KIBANA)[0])
    assert 50 < now[0] <= 60


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"password": SecretStr("wrong")}, r"401.*KIBANA_PASSWORD"),
        ({"username": ""}, r"401.*KIBANA_USERNAME"),
    ],
)
def test_a_wrong_login_is_told_at_once(
    server: FakeKibana, changes: dict[str, Any], said: str
) -> None:
    """A login that is refused is not tried again, and the remedy names the variables."""
    with pytest.raises(CliError, match=said):
        put_dashboards(settings(server, **changes))
    assert len(server.requests) == 1


def test_a_dashboard_that_kibana_refuses_is_named(server: FakeKibana, tmp_path: Path) -> None:
    """The error names the dashboard and quotes Kibana."""
    (tmp_path / "broken.json").write_text(json.dumps({"title": "x", "pannels": []}))
    with pytest.raises(CliError, match=r"broken: 400.*pannels"):
        put_dashboards(settings(server, dashboards=tmp_path))


def test_an_import_that_fails_with_status_200_is_an_error(server: FakeKibana) -> None:
    """Kibana says 200 even if no object was imported; the answer is read."""
    server.import_fails = True
    with pytest.raises(CliError, match="unsupported_type"):
        put_dashboards(settings(server))


@pytest.mark.parametrize("content", [None, "{"])
def test_a_directory_without_dashboards_is_one_clear_error(
    tmp_path: Path, content: str | None
) -> None:
    """Missing and broken files are told before anything is sent."""
    if content:
        (tmp_path / "x.json").write_text(content)
    with pytest.raises(CliError, match=str(tmp_path)):
        steps(tmp_path)


def test_encoding_makes_strings_only_of_what_kibana_keeps_as_strings() -> None:
    """Names that end in JSON become strings, inner ones first; the rest stays."""
    value = {"panelsJSON": [{"a": {"innerJSON": {"b": 1}}}], "other": {"c": [1]}}
    done = encoded(value)
    assert json.loads(done["panelsJSON"]) == [{"a": {"innerJSON": '{"b": 1}'}}]
    assert done["other"] == {"c": [1]}


def test_the_program_ends_with_a_remedy(
    server: FakeKibana, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`setup kibana` reads the environment; a wrong password is status 2 and one line."""
    for name, value in {
        "KIBANA_URL": server.url,
        "KIBANA_USERNAME": USER,
        "KIBANA_PASSWORD": PASSWORD,
        "KIBANA_DASHBOARDS": str(KIBANA),
    }.items():
        monkeypatch.setenv(name, value)
    assert setup.main(["kibana"]) == 0
    assert "crypto-market" in capsys.readouterr().out
    monkeypatch.setenv("KIBANA_PASSWORD", "wrong")
    assert setup.main(["kibana"]) == 2
    assert "KIBANA_PASSWORD" in capsys.readouterr().err
