"""Where downloads and a run's files are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from cryptostream.cli.errors import CliError
from cryptostream.cli.paths import cache_dir, require_open_to_others, state_dir

HOME = Path("/home/ada")


def test_a_user_keeps_things_at_home() -> None:
    """Without settings the XDG defaults below the home directory hold."""
    assert cache_dir({}, root=False, home=HOME) == HOME / ".cache/cryptostream"
    assert state_dir({}, root=False, home=HOME) == HOME / ".local/state/cryptostream"


def test_xdg_variables_move_them() -> None:
    """An absolute XDG variable moves a directory; a relative one is no valid setting."""
    env = {"XDG_CACHE_HOME": "/x", "XDG_STATE_HOME": "relative"}
    assert cache_dir(env, root=False, home=HOME) == Path("/x/cryptostream")
    assert state_dir(env, root=False, home=HOME) == HOME / ".local/state/cryptostream"


def test_root_keeps_things_where_another_account_can_enter() -> None:
    """Elasticsearch runs as another account, which can't enter root's home."""
    env = {"XDG_CACHE_HOME": "/root/.cache"}
    assert cache_dir(env, root=True, home=Path("/root")) == Path("/var/cache/cryptostream")
    assert state_dir(env, root=True, home=Path("/root")) == Path("/var/lib/cryptostream")


@pytest.mark.parametrize("root", [True, False])
def test_our_own_variables_win(root: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """CRYPTOSTREAM_*_DIR are taken as they are."""
    env = {"CRYPTOSTREAM_CACHE_DIR": "/c", "CRYPTOSTREAM_STATE_DIR": "/s"}
    assert cache_dir(env, root=root, home=HOME) == Path("/c")
    assert state_dir(env, root=root, home=HOME) == Path("/s")


def test_a_closed_directory_is_named_with_its_remedy(tmp_path: Path) -> None:
    """The message names the closed directory and the variable to set."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    with pytest.raises(CliError, match="Set SOME_DIR"):
        require_open_to_others(closed / "below", "SOME_DIR")
