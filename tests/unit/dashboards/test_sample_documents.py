"""The samples that dashboards are tried on cover the contract."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from support.sample_documents import TIMES, samples

from cryptostream.contracts.mappings import PROPERTIES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.contracts.indices import Kind

NOW = 1_795_400_000_000


def paths(value: Any, prefix: str = "") -> Iterator[str]:
    """Give the paths of a document's or a mapping's leaves."""
    if isinstance(value, list):
        for inner in value:
            yield from paths(inner, prefix)
    elif isinstance(value, dict) and "type" not in value:
        for name, inner in value.get("properties", value).items():
            yield from paths(inner, f"{prefix}.{name}")
    else:
        yield prefix


@pytest.mark.parametrize("kind", list(PROPERTIES))
def test_every_field_has_a_value_and_no_other_field_is_there(kind: Kind) -> None:
    """A field that the contract gains must get a sample, so that panels can be tried on it."""
    free = {f".{name}" for name, field in PROPERTIES[kind].items() if field.get("type") in FREE}
    declared = set(paths(PROPERTIES[kind]))
    seen = {path for one in samples(NOW)[kind] for path in paths(one)}
    # What stands inside of a flattened or unread object is nobody's field.
    seen = {next((root for root in free if path.startswith(f"{root}.")), path) for path in seen}
    assert seen | free == declared


FREE = {"flattened", "object"}


def test_the_same_moment_gives_the_same_documents() -> None:
    """Samples are seeded, and none is younger than their moment."""
    assert samples(NOW) == samples(NOW)
    for kind, documents in samples(NOW).items():
        assert all(one[TIMES.get(kind, "time")] <= NOW for one in documents)
