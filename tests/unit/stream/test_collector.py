"""The garbage collector is held back for a batch, and no longer."""

from __future__ import annotations

import gc

import pytest

from cryptostream.stream.collector import no_collections


def _fail() -> None:
    with no_collections():
        with no_collections():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ZeroDivisionError


def test_collections_are_back_when_the_batch_ends() -> None:
    """They are off inside, nested too, and on again after an error as after success."""
    with pytest.raises(ZeroDivisionError):
        _fail()
    assert gc.isenabled()
