"""A model is served only after every check, and an unfit one leaves the old one in place."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryptostream.predictor.errors import ModelError
from cryptostream.predictor.pointer import Pointer, PointerWatch, Served, read_pointer

if TYPE_CHECKING:
    from pathlib import Path


def point(path: Path, tag: str) -> None:
    """Write a pointer in one step, as training does."""
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"tag": tag, "sha256": "0" * 64}))
    fresh.replace(path)


def load(pointer: Pointer) -> Served:
    """Load any model but those called bad or worse."""
    if pointer.tag == "bad":
        raise ModelError("a bad model")
    if pointer.tag == "worse":
        raise MemoryError
    return Served(pointer, no_edge=True, p_up=lambda rows: np.zeros(len(rows)))


class Watched:
    """A watch on a file, with what it counted."""

    def __init__(self, path: Path) -> None:
        self.counted: list[str] = []
        self.watch = PointerWatch(path, load, self.counted.append)

    def tag(self) -> str | None:
        """Look once and tell which model is in service."""
        self.watch.poll()
        return self.watch.current.pointer.tag if self.watch.current else None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "truncated"),
        (b"{}", "required field"),
        (b'{"tag": 1, "sha256": ""}', "str"),
        (b"[" * 3000, "recursion|depth|Expected"),
        (b'{"tag": "a:b", "sha256": "", "more": 1}', "unknown field"),
    ],
)
def test_a_broken_pointer_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    """Whatever isn't a pointer is refused with its path and the remedy, on one line."""
    path = tmp_path / "model.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=reason) as caught:
        read_pointer(path)
    assert str(path) in str(caught.value)
    assert "train one" in str(caught.value)


def test_a_missing_pointer_is_refused_with_the_remedy(tmp_path: Path) -> None:
    """No pointer: the error says so and how to make one."""
    with pytest.raises(ModelError, match="No such file or directory; train one"):
        read_pointer(tmp_path / "model.json")


def test_a_new_pointer_is_taken_once(tmp_path: Path) -> None:
    """Each new pointer swaps the model; looking again without a change does nothing."""
    path = tmp_path / "model.json"
    point(path, "one")
    watched = Watched(path)
    assert [watched.tag(), watched.tag()] == ["one", "one"]
    point(path, "two")
    assert watched.tag() == "two"
    assert watched.counted == ["ok", "ok"]


def test_the_same_model_is_not_loaded_again(tmp_path: Path) -> None:
    """A pointer written anew with the same content reloads nothing."""
    path = tmp_path / "model.json"
    point(path, "one")
    watched = Watched(path)
    watched.tag()
    point(path, "one")
    assert watched.tag() == "one"
    assert watched.counted == ["ok"]


@pytest.mark.parametrize("tag", ["bad", "worse"])
def test_an_unfit_model_leaves_the_old_one_in_place(tmp_path: Path, tag: str) -> None:
    """A model that fails in any way is counted and retried; a good pointer then recovers."""
    path = tmp_path / "model.json"
    point(path, "one")
    watched = Watched(path)
    watched.tag()
    point(path, tag)
    assert [watched.tag(), watched.tag()] == ["one", "one"]
    point(path, "three")
    assert watched.tag() == "three"
    assert watched.counted == ["ok", "error", "error", "ok"]


def test_a_failure_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The same failure is told at the first look, not at each."""
    watched = Watched(tmp_path / "model.json")
    assert [watched.tag(), watched.tag(), watched.tag()] == [None, None, None]
    assert [record.message for record in caplog.records] == ["model_refused"]
    assert watched.counted == ["error"] * 3
