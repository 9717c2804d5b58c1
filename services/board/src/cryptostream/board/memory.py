"""How much memory each component of a stack on one machine takes.

Whoever started the stack serves it (`BOARD_MEMORY_URL`); on Kubernetes Grafana shows it instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from aiohttp import ClientError, ClientSession, ClientTimeout
from prometheus_client.parser import text_string_to_metric_families

from cryptostream.contracts.metrics import RESIDENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS: Final = 2.0
#: A handful of lines is expected.
MAX_BYTES: Final = 65_536


def components(exposition: str) -> dict[str, int]:
    """Give bytes by component, the largest first; raises `ValueError` if it is no exposition."""
    found = {
        sample.labels.get("component", ""): int(sample.value)
        for family in text_string_to_metric_families(exposition)
        for sample in family.samples
        if sample.name == RESIDENT_BYTES
    }
    return dict(sorted(found.items(), key=lambda one: -one[1]))


async def read(url: str) -> Mapping[str, int]:
    """Give bytes by component; nothing without a URL, or if nobody there tells it."""
    if not url:
        return {}
    try:
        async with (
            ClientSession(timeout=ClientTimeout(total=TIMEOUT_SECONDS)) as session,
            session.get(url) as answer,
        ):
            if not 0 < (answer.content_length or 0) <= MAX_BYTES:
                return {}
            return components(await answer.text())
    except (TimeoutError, ClientError, ValueError):
        return {}
