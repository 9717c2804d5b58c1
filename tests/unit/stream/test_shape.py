"""The checkpoint's shape: another one's folder is refused before anything is read from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cryptostream.contracts.errors import SettingsError
from cryptostream.stream.shape import NAME, claim

if TYPE_CHECKING:
    from pathlib import Path


def test_an_empty_folder_is_taken_and_known_again(tmp_path: Path) -> None:
    """The first start writes the shape, the next one finds its own."""
    claim(tmp_path / "new")
    assert (tmp_path / "new" / NAME).exists()
    claim(tmp_path / "new")


@pytest.mark.parametrize("content", [b'{"version":"v9","queries":["trades"]}', b"{", None])
def test_a_folder_of_another_shape_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """The error names the setting and the remedy; a checkpoint without a shape is an old one."""
    if content is None:
        (tmp_path / "v1").mkdir()
    else:
        (tmp_path / NAME).write_bytes(content)
    with pytest.raises(SettingsError, match=r"STREAM_CHECKPOINT: .* name an empty folder"):
        claim(tmp_path)
