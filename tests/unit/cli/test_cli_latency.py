"""When a pipeline counts as caught up."""

from __future__ import annotations

from typing import Any

from cryptostream.cli.latency import BUCKET_MS, Probe

START = 1_795_305_600_000.0


class Index:
    """Answers as Elasticsearch does, from exchange times that a test sets."""

    def __init__(self) -> None:
        self.fresh: list[float] = []

    def options(self, **_: object) -> Index:
        """Give the client itself: its options do not matter here."""
        return self

    def search(self, **_: object) -> dict[str, Any]:
        """Give what is new, once."""
        buckets = [{"key": at, "doc_count": 2} for at in self.fresh]
        self.fresh = []
        return {"aggregations": {"newest": {"value": 1.0}, "times": {"buckets": buckets}}}


class Rig:
    """A probe with a clock of its own."""

    def __init__(self) -> None:
        self.now = START
        self.index = Index()
        self.probe = Probe(self.index, clock_ms=lambda: self.now)  # type: ignore[arg-type]
        self.probe.poll()

    def see(self, *, age_ms: float) -> None:
        """Let a second pass, at the end of which two documents of that age are found."""
        self.now += 1_000
        self.index.fresh = [self.now - age_ms - BUCKET_MS / 2]
        self.probe.poll()


def test_each_document_is_a_sample_of_its_age() -> None:
    """A bucket of two documents gives two samples, at the middle of the bucket."""
    rig = Rig()
    rig.see(age_ms=400)
    assert rig.probe.samples == [400.0, 400.0]


def test_fresh_documents_for_a_while_are_caught_up() -> None:
    """An old document starts the while anew."""
    rig = Rig()
    rig.see(age_ms=5_000)
    for _ in range(2):
        rig.see(age_ms=500)
        assert not rig.probe.caught_up
    rig.see(age_ms=500)
    assert rig.probe.caught_up


def test_no_document_at_all_is_no_sign_of_being_caught_up() -> None:
    """A long batch under way looks like a quiet pipeline, and is the contrary."""
    rig = Rig()
    for _ in range(5):
        rig.see(age_ms=500)
    assert rig.probe.caught_up
    rig.now += 2_500
    rig.probe.poll()
    assert not rig.probe.caught_up
