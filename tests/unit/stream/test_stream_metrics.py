"""What the stream tells of itself is what its page says."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client import REGISTRY

from cryptostream.stream import metrics
from cryptostream.stream.clock import Clock

PAGE = Path(__file__).parents[3] / "docs" / "observability.md"
PREFIX = "cryptostream_stream_"


def _documented() -> dict[str, set[str]]:
    """Give the page's metrics with their labels."""
    table = PAGE.read_text().split("| hop | from |")[0]
    found = {}
    for names, labels in re.findall(r"^\| (`.+?`) \| ([a-z, ]*)\| ", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            found[name] = {label for label in re.split(r",\s*", labels.strip()) if label}
    return found


def _emitted() -> dict[str, set[str]]:
    """Give the stream's metrics with their labels."""
    found = {}
    for collector in vars(metrics).values():
        if hasattr(collector, "_labelnames"):
            suffix = "_total" if collector._type == "counter" else ""
            assert collector._name.startswith(PREFIX)
            found[collector._name.removeprefix(PREFIX) + suffix] = set(collector._labelnames)
    return found


def test_the_page_names_every_metric_with_its_labels() -> None:
    """Nothing is promised that is not emitted, and nothing is emitted that is not told."""
    assert _documented() == _emitted()


def test_the_watermarks_delay_is_told_by_market() -> None:
    """A market whose candles never were final yet has none."""
    clocks = {("x", "spot"): Clock(watermark=8_500), ("y", "spot"): Clock()}
    metrics.observe_watermarks(clocks, 10_000)
    name = f"{PREFIX}watermark_delay_seconds"
    assert REGISTRY.get_sample_value(name, {"market": "x:spot"}) == 1.5
    assert REGISTRY.get_sample_value(name, {"market": "y:spot"}) is None
