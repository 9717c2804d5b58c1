"""What can be made to go wrong, as data: one fault, and a script of them.

A script is a file of JSON lines `{"at": SECONDS, "fault": {...}}`; `at` counts from the start
of the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal

import msgspec
from msgspec import Meta

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

Kind = Literal[
    "close",
    "reset",
    "half_open",
    "stall",
    "silent",
    "late_ack",
    "early_ack",
    "no_ack",
    "refuse",
    "duplicate",
    "reorder",
    "late",
    "malformed",
    "clock_skew",
    "refuse_upgrade",
    "maintenance",
    "sweep",
]
#: These happen at once and are over; all others last.
INSTANT: Final = frozenset({"close", "reset", "sweep"})
MAX_SCRIPT_BYTES: Final = 1024 * 1024
MAX_SECONDS: Final = 86_400


class Fault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One fault.

    Attributes:
        kind: what goes wrong:
            `close` ends connections with `code`, 1006 standing for no close frame at all;
            `reset` ends them with a TCP reset;
            `half_open` neither reads nor writes on them any more, and resets them in the end;
            `stall` sends them, and those that come, nothing but pongs;
            `silent` pushes nothing for the symbols;
            `late_ack` acknowledges `delay_ms` after the subscription began to work;
            `early_ack` acknowledges at once, and lets the subscription work after `delay_ms`;
            `no_ack` loses requests for topics: no answer, no effect;
            `refuse` refuses requests that name one of the symbols;
            `duplicate` sends frames twice, `reorder` after the symbol's next frame, `late`
            after `delay_ms`, `malformed` with a broken copy after them;
            `clock_skew` moves the exchange's clock, in frames and REST, by `offset_ms`;
            `refuse_upgrade` answers new connections with `status`;
            `maintenance` ends all connections with 1012 and answers new ones with 503;
            `sweep` lets one taker order trade `count` times in the first symbol.
        symbols: only these, or connections that listen to one of them; empty for all.
        connections: only connections with these ids; empty for all.
        count: how often it strikes: connections, requests, frames or upgrades; None for no end.
        seconds: how long it lasts; None until it is ended.
        probability: chance for each candidate to be struck.
    """

    kind: Kind
    symbols: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    connections: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()
    count: Annotated[int, Meta(ge=1, le=100_000)] | None = None
    seconds: Annotated[float, Meta(gt=0, le=MAX_SECONDS)] | None = None
    probability: Annotated[float, Meta(gt=0, le=1)] = 1.0
    code: Literal[1000, 1001, 1006, 1012] = 1006
    status: Literal[403, 429, 502, 503] = 503
    delay_ms: Annotated[int, Meta(ge=1, le=600_000)] = 2000
    offset_ms: Annotated[int, Meta(ge=-86_400_000, le=86_400_000)] = 0


class Step(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a script: the fault, and when it begins, seconds after the server's start."""

    at: Annotated[float, Meta(ge=0, le=MAX_SECONDS)]
    fault: Fault


class FaultError(ValueError):
    """The text describes no fault; says which part of it."""


_decode_fault: Final = msgspec.json.Decoder(Fault).decode
_decode_step: Final = msgspec.json.Decoder(Step).decode


def parse_fault(raw: bytes) -> Fault:
    """Read one fault.

    Raises:
        FaultError: it is no JSON, or a field is unknown or out of its range.
    """
    try:
        return _decode_fault(raw)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise FaultError(str(error)) from error


def read_script(path: Path) -> list[Step]:
    """Read a script, earliest step first; empty lines are skipped.

    Raises:
        SettingsError: the file can't be read, or a line of it is no step.
    """
    try:
        with path.open("rb") as file:
            text = file.read(MAX_SCRIPT_BYTES + 1)
    except OSError as error:
        raise SettingsError(f"SIMULATOR_FAULTS: can't read {path}: {error.strerror}") from error
    if len(text) > MAX_SCRIPT_BYTES:
        raise SettingsError(f"SIMULATOR_FAULTS: {path} is larger than {MAX_SCRIPT_BYTES} bytes")
    steps = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            steps.append(_decode_step(line))
        except (ValueError, RecursionError, ArithmeticError) as error:
            raise SettingsError(f"SIMULATOR_FAULTS: {path}:{number}: {error}") from error
    return sorted(steps, key=lambda step: step.at)
