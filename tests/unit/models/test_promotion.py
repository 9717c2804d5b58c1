"""The pointer and its log tell the same story, whatever happens in between."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.models.errors import PromotionError
from cryptostream.models.pointing import Saved, write_pointer
from cryptostream.models.promotion import LOG_NAME, Promotions, document

if TYPE_CHECKING:
    from pathlib import Path


def saved(name: str) -> Saved:
    """Name a model."""
    return Saved(f"m:{name}", name * 64)


def promotions(folder: Path) -> Promotions:
    """Give a log whose clock counts."""
    ticks = count(1_000)
    return Promotions(folder / "current.json", lambda: next(ticks))


def test_a_promotion_moves_the_pointer_and_is_logged(tmp_path: Path) -> None:
    """The pointer names the new model, and the log says since when and instead of which."""
    kept = promotions(tmp_path)
    kept.promote(saved("a"), "first")
    kept.promote(saved("b"), "better")
    assert kept.current() == saved("b")
    assert [(one.event, one.model, one.previous) for one in kept.history()] == [
        ("promoted", "m:a", ""),
        ("promoted", "m:b", "m:a"),
    ]
    assert kept.served_since_ms() == kept.history()[-1].time


def test_rolling_back_goes_down_step_by_step(tmp_path: Path) -> None:
    """Each rollback goes to the model before, and never to one that was rolled back."""
    kept = promotions(tmp_path)
    for name in "abc":
        kept.promote(saved(name), "")
    assert [kept.rollback("").model for _ in range(2)] == ["m:b", "m:a"]
    with pytest.raises(PromotionError, match="nothing to roll back to"):
        kept.rollback("")
    kept.promote(saved("d"), "")
    assert kept.rollback("").model == "m:a"
    assert kept.current() == saved("a")


def test_a_pointer_that_someone_else_wrote_is_adopted(tmp_path: Path) -> None:
    """A model that training pointed at is told in the log, and can be gone back to."""
    kept = promotions(tmp_path)
    write_pointer(tmp_path / "current.json", saved("a"))
    assert kept.served_since_ms() == 0
    kept.promote(saved("b"), "")
    assert [one.event for one in kept.history()] == ["adopted", "promoted"]
    write_pointer(tmp_path / "current.json", saved("c"))
    assert kept.rollback("").model == "m:b"


def test_only_the_model_in_service_is_rolled_back_by_itself(tmp_path: Path) -> None:
    """A verdict on a model that is no longer served, or that came first, changes nothing."""
    kept = promotions(tmp_path)
    assert kept.roll_back_from("m:a", "") is None
    kept.promote(saved("a"), "")
    kept.promote(saved("b"), "")
    assert kept.roll_back_from("m:a", "") is None
    change = kept.roll_back_from("m:b", "worse")
    assert change is not None
    assert document(change).keys() <= PROPERTIES["models"].keys()
    assert kept.roll_back_from("m:a", "") is None
    assert kept.current() == saved("a")


def test_half_a_line_of_a_crash_is_left_out(tmp_path: Path) -> None:
    """A log that was cut off mid-line goes on with the next line."""
    kept = promotions(tmp_path)
    kept.promote(saved("a"), "")
    log = tmp_path / LOG_NAME
    log.write_bytes(log.read_bytes() + b'{"time": 1')
    kept.promote(saved("b"), "")
    assert [one.model for one in kept.history()] == ["m:a", "m:b"]


def test_a_foreign_log_is_refused(tmp_path: Path) -> None:
    """A line that is JSON but no change is named with its number."""
    (tmp_path / LOG_NAME).write_text(json.dumps({"other": 1}) + "\n")
    with pytest.raises(PromotionError, match=f"{LOG_NAME}:1"):
        promotions(tmp_path).history()


def test_a_broken_pointer_is_named(tmp_path: Path) -> None:
    """A pointer that is none stops the change."""
    (tmp_path / "current.json").write_text("{}")
    with pytest.raises(PromotionError, match="no pointer"):
        promotions(tmp_path).promote(saved("a"), "")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "c", "back"]), max_size=12))
def test_pointer_and_log_always_agree(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    """After any changes the log's last line names what the pointer names."""
    kept = promotions(tmp_path_factory.mktemp("pointer"))
    for step in steps:
        try:
            kept.rollback("") if step == "back" else kept.promote(saved(step), "")
        except PromotionError:
            assert step == "back"
    current = kept.current()
    history = kept.history()
    assert (current is None) == (not history)
    assert current is None or history[-1].model == current.tag
