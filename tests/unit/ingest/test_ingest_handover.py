"""Handing symbols over: nothing is let go before somebody else has it, or for ever kept."""

from __future__ import annotations

from cryptostream.ingest.handover import Handover

LISTED = {"A", "B", "C"}


def nobody(_: str) -> bool:
    """Say that no other instance receives anything."""
    return False


def test_what_others_do_not_receive_yet_is_read_on() -> None:
    """Until they do."""
    handover = Handover()
    assert handover.update({"A", "B"}, LISTED, 0.0, nobody) == {"A", "B"}
    assert handover.update({"B", "C"}, LISTED, 1.0, nobody) == {"A", "B", "C"}
    assert handover.update({"B", "C"}, LISTED, 29.0, nobody) == {"A", "B", "C"}
    assert handover.update({"B", "C"}, LISTED, 29.5, {"A"}.__contains__) == {"B", "C"}


def test_patience_ends() -> None:
    """After 30 s, counted anew if the symbol came back in between."""
    handover = Handover()
    handover.update({"A"}, LISTED, 0.0, nobody)
    handover.update(set(), LISTED, 1.0, nobody)
    handover.update({"A"}, LISTED, 20.0, nobody)
    assert handover.update(set(), LISTED, 21.0, nobody) == {"A"}
    assert handover.update(set(), LISTED, 50.0, nobody) == {"A"}
    assert handover.update(set(), LISTED, 51.0, nobody) == set()


def test_what_is_listed_no_more_ends_at_once() -> None:
    """Nobody takes a delisted symbol over."""
    handover = Handover()
    handover.update({"A", "B"}, LISTED, 0.0, nobody)
    assert handover.update({"B"}, {"B"}, 1.0, nobody) == {"B"}
