"""An engine as bytes, and back. Pure.

Each part stands by itself with its version, so a changed list of features costs the features'
state and not the candles'. A part that can't be used is left out and named; the engine then begins
that part cold.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.features import FEATURES_HASH, STATE_SIZE, State
from cryptostream.contracts.mappings import INDICATORS
from cryptostream.contracts.messages import INTERVAL_MS, Interval
from cryptostream.stream.candlesticks import KEPT, Candles, CandlesState
from cryptostream.stream.clock import Clock
from cryptostream.stream.engine import Engine, new_symbol
from cryptostream.stream.indicators import Indicators
from cryptostream.stream.rolling import WINDOWS, Rolling
from cryptostream.stream.watch import STATE_VERSION, Watch

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.stream.candlesticks import Instrument

#: To be raised when the meaning of a state changes that its shape does not show.
_LAYOUT: Final = 1
CANDLES: Final = "candles"


def _version(*things: object) -> str:
    return hashlib.sha256(repr((_LAYOUT, *things)).encode()).hexdigest()[:16]


#: What the state of each part depends on.
VERSIONS: Final = {
    "features": _version(FEATURES_HASH, STATE_SIZE),
    CANDLES: _version(INTERVAL_MS, KEPT, CandlesState.__struct_fields__),
    "indicators": _version(INDICATORS, list(INTERVAL_MS)),
    "rolling": _version(WINDOWS),
    "rules": _version(STATE_VERSION),
}
_Key = str
_TYPES: Final[Mapping[str, Any]] = {
    "features": dict[_Key, State],
    CANDLES: tuple[int, dict[_Key, Clock], dict[_Key, CandlesState]],
    "indicators": dict[_Key, dict[Interval, dict[str, Any]]],
    "rolling": dict[_Key, tuple[int, dict[str, Any]]],
    "rules": dict[str, Any],
}


class Snapshot(msgspec.Struct):
    """Parts by name, each with its version and its state as MessagePack."""

    versions: dict[str, str]
    parts: dict[str, msgspec.Raw]


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Snapshot)


def dump(engine: Engine) -> bytes:
    """Give the engine's state; `load` of it goes on bit for bit."""
    symbols = {_join(key): one for key, one in engine.symbols.items()}
    clocks = {":".join(key): clock for key, clock in engine.clocks.items()}
    parts: dict[str, Any] = {
        "features": {key: one.features for key, one in symbols.items()},
        CANDLES: (engine.now_ms, clocks, {key: one.candles.state for key, one in symbols.items()}),
        "indicators": {
            key: {name: single.state() for name, single in one.indicators.items()}
            for key, one in symbols.items()
        },
        "rolling": {key: (one.rolling_due, one.rolling.state()) for key, one in symbols.items()},
        "rules": engine.watch.state(),
    }
    raw = {name: msgspec.Raw(_ENCODER.encode(part)) for name, part in parts.items()}
    return _ENCODER.encode(Snapshot(VERSIONS, raw))


def load(raw: bytes, engine: Engine) -> dict[str, str]:
    """Bring an empty engine to where the snapshot was taken.

    Gives the parts that could not be used, each with why; without its candles' part the engine
    stays empty. Raises `ContractError` if it is no snapshot.
    """
    try:
        snapshot = _DECODER.decode(raw)
    except (ValueError, RecursionError) as error:
        raise ContractError("bad_snapshot", str(error)[:200]) from error
    parts: dict[str, Any] = {}
    cold: dict[str, str] = {}
    for name, version in VERSIONS.items():
        try:
            parts[name] = _build(name, _part(snapshot, name, version), engine)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            cold[name] = f"{type(error).__name__}: {error}"[:200]
    _fill(engine, parts)
    return cold


def _part(snapshot: Snapshot, name: str, version: str) -> Any:
    if snapshot.versions.get(name) != version:
        raise ValueError(f"made by another version ({snapshot.versions.get(name)}, not {version})")
    return msgspec.msgpack.decode(snapshot.parts.get(name, b""), type=_TYPES[name])


def _build(name: str, state: Any, engine: Engine) -> Any:
    """Make of a part's state what the engine holds."""
    match name:
        case "indicators":
            return {
                key: {name: Indicators(kept.get(name)) for name in INTERVAL_MS}
                for key, kept in state.items()
            }
        case "rolling":
            return {key: (Rolling(kept), due) for key, (due, kept) in state.items()}
        case "rules":
            return Watch(engine.rules, state)
        case _:
            return state


def _fill(engine: Engine, parts: Mapping[str, Any]) -> None:
    if CANDLES not in parts:
        return
    engine.now_ms, clocks, candles = parts[CANDLES]
    engine.clocks.update({_pair(key): clock for key, clock in clocks.items()})
    engine.watch = parts.get("rules", engine.watch)
    features, indicators = parts.get("features", {}), parts.get("indicators", {})
    rolling = parts.get("rolling", {})
    for joined, kept in candles.items():
        symbol = new_symbol(_split(joined), engine.clocks)
        symbol.candles = Candles(symbol.key, kept)
        symbol.features = features.get(joined, symbol.features)
        symbol.indicators = indicators.get(joined, symbol.indicators)
        symbol.rolling, symbol.rolling_due = rolling.get(joined, (symbol.rolling, 0))
        engine.add_symbol(symbol)


def _join(key: Instrument) -> _Key:
    return ":".join(key)


def _split(key: _Key) -> Instrument:
    exchange, category, symbol = key.split(":")
    return exchange, category, symbol


def _pair(key: _Key) -> tuple[str, str]:
    exchange, category = key.split(":")
    return exchange, category
