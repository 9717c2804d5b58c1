"""Where Elasticsearch comes from: ELASTICSEARCH_HOME, or the bundle in the cache."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from cryptostream.cli import artifacts
from cryptostream.cli.clients import choose_client
from cryptostream.cli.errors import CliError
from cryptostream.cli.fetch import Report, fetch
from cryptostream.cli.paths import require_open_to_others
from cryptostream.cli.process import unprivileged_account

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.cli.jdk import Jdk


def elasticsearch_home(
    jdk: Jdk, cache: Path, report: Report, env: Mapping[str, str] = os.environ
) -> Path:
    """Give the distribution's directory, fetching it if need be; raises `CliError`."""
    given = env.get("ELASTICSEARCH_HOME")
    home = Path(given) if given else cache / artifacts.ELASTICSEARCH.directory
    if not given:
        fetch(artifacts.ELASTICSEARCH, cache, lambda: choose_client(jdk), report)
    if not (home / "lib" / "tools" / "server-launcher").is_dir():
        raise CliError(
            f"{home} is no Elasticsearch (it has no lib/tools/server-launcher)",
            "Set ELASTICSEARCH_HOME to an unpacked Elasticsearch 9, or unset it to fetch one.",
        )
    if unprivileged_account() is not None:
        require_open_to_others(home, "ELASTICSEARCH_HOME" if given else "CRYPTOSTREAM_CACHE_DIR")
    return home
