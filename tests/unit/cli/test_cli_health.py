"""Asking whether a component is well, and whether it lives at all."""

from __future__ import annotations

from socket import create_server

from support.http_server import answering

from cryptostream.cli.component import Probe
from cryptostream.cli.health import answers, trouble

SOON = 0.2


def test_any_answer_is_a_sign_of_life() -> None:
    """One that refuses the question is unwell, but not hung."""
    # The scripted server takes POST alone.
    with answering(lambda _path, _body: (200, b"{}")) as url:
        assert answers(Probe("http", url))
        assert trouble(Probe("http", url)) == "status 501"


def test_a_server_that_takes_the_call_and_says_nothing_is_hung() -> None:
    """Neither well nor alive, and the question ends in time."""
    with create_server(("127.0.0.1", 0)) as silent:
        probe = Probe("http", f"http://127.0.0.1:{silent.getsockname()[1]}/readyz")
        assert not answers(probe, SOON)
        assert trouble(probe, SOON) == "timed out"


def test_a_closed_port_is_no_sign_of_life() -> None:
    """Neither of a service nor of a broker."""
    with create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    assert not answers(Probe("http", f"http://{address}/readyz"), SOON)
    assert not answers(Probe("kafka", address), SOON)
