"""Print the metrics that the rooms emit as JSON, name -> labels: `-m support.emitted_metrics`.

Every module that names a metric is imported, and every class of it that makes a registry is made.
Metrics that are written as text by hand are read from what is written.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import ModuleType

ROOT = Path(__file__).resolve().parents[2]
NAMES_A_METRIC = re.compile(
    r"^from cryptostream\.contracts\.metrics import .*\bmetric\b", re.MULTILINE
)
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


def modules() -> Iterator[ModuleType]:
    """Import every module that names a metric."""
    for pattern in ("services/*/src", "spark-jobs/src", "models/src"):
        for source in sorted(ROOT.glob(pattern)):
            for path in sorted(source.rglob("*.py")):
                if NAMES_A_METRIC.search(path.read_text(encoding="utf-8")):
                    name = ".".join(path.relative_to(source).with_suffix("").parts)
                    yield importlib.import_module(name)


def registries(module: ModuleType) -> Iterator[CollectorRegistry]:
    """Make every object of the module that fills a registry."""
    for _, kind in inspect.getmembers(module, inspect.isclass):
        if kind.__module__ != module.__name__:
            continue
        wanted = list(inspect.signature(kind).parameters)
        if wanted == ["registry"]:
            registry = CollectorRegistry()
            kind(registry)
            yield registry
        elif not wanted and hasattr(made := kind(), "registry"):
            yield made.registry


def labels(registry: CollectorRegistry) -> Iterator[tuple[str, list[str]]]:
    """Give the names that Prometheus sees of a registry, with their labels."""
    for collector in set(registry._names_to_collectors.values()):
        named = getattr(collector, "_labelnames", None)
        if named is not None:
            for suffix in SUFFIXES[collector._type]:
                yield collector._name + suffix, sorted(named)


def written_by_hand() -> Iterator[tuple[str, list[str]]]:
    """Give the metrics of the rooms that write their own text."""
    for text in (_predictor(), _simulator()):
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                yield sample.name, sorted(sample.labels)


def _predictor() -> str:
    from cryptostream.predictor.exposition import exposition  # noqa: PLC0415

    drift = SimpleNamespace(values=lambda: {"feature": 0.1})
    pointer = SimpleNamespace(tag="model:1")
    served: Any = SimpleNamespace(pointer=pointer, no_edge=True, made_seconds=0.0, drift=drift)
    return exposition(served, 1.0, refused=False)


def _simulator() -> str:
    from cryptostream.simulator.metrics import render_metrics  # noqa: PLC0415

    class Anything:
        def __getattr__(self, name: str) -> Any:
            return (lambda: 0) if name == "subscribers" else 0

    nothing: Any = Anything()
    return render_metrics(nothing, nothing, nothing).decode()


def main() -> None:
    """Collect and print."""
    found: dict[str, list[str]] = {}
    for module in modules():
        for registry in registries(module):
            found.update(labels(registry))
    found.update(labels(REGISTRY))
    found.update(written_by_hand())
    ours = {name: given for name, given in found.items() if name.startswith("cryptostream_")}
    json.dump(ours, sys.stdout)


if __name__ == "__main__":
    main()
