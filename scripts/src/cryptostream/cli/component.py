"""A component of the stack, as data: what is run, what it needs, how one sees that it is well."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Probe:
    """How to see that a component is well.

    `http`: `target` is a URL that answers 200. `kafka`: `target` is a bootstrap address whose
    broker answers. `exit`: a task, well once it has ended with status 0.
    """

    kind: Literal["http", "kafka", "exit"]
    target: str = ""

    @property
    def awaited(self) -> str:
        """Say what is waited for."""
        if self.kind == "http":
            return f"it to answer at {self.target}"
        if self.kind == "kafka":
            return f"the broker to answer at {self.target}"
        return "it to finish"


@dataclass(frozen=True, slots=True)
class Account:
    """The system account that a component runs as instead of root."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Component:
    """One process of the stack.

    Attributes:
        name: unique within the stack.
        argv: the command.
        probe: how to see that it is well.
        needs: names of the components that must be well before it starts.
        env: added to the environment.
        port: where it listens; 0 for a task.
        cwd: its working directory.
        files: written before the first start, text by path.
        directories: made before the first start.
        account: runs as this account; it then owns `files` and `directories`.
        memory_mb: what it is built to stay below.
        start_seconds: must be well within this time.
        note: what to say when it starts.
    """

    name: str
    argv: tuple[str, ...]
    probe: Probe
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    cwd: Path | None = None
    files: Mapping[Path, str] = field(default_factory=dict)
    directories: tuple[Path, ...] = ()
    account: Account | None = None
    memory_mb: int = 256
    start_seconds: float = 120.0
    note: str = ""

    @property
    def is_task(self) -> bool:
        """Tell whether it is to end by itself."""
        return self.probe.kind == "exit"


def all_needs(components: Iterable[Component]) -> dict[str, frozenset[str]]:
    """Give for each component what it needs, directly or through others.

    Each component comes after what it needs; raises `KeyError` if one doesn't.
    """
    found: dict[str, frozenset[str]] = {}
    for part in components:
        found[part.name] = frozenset(part.needs).union(*(found[name] for name in part.needs))
    return found
