"""The rooms' rule: a room imports the contracts and itself, and pure modules import no client."""

from __future__ import annotations

import ast
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = sorted(ROOT.glob("*/src/cryptostream/*/__init__.py")) + sorted(
    ROOT.glob("*/*/src/cryptostream/*/__init__.py")
)
ROOMS = {path.parent.name: path.parent for path in PACKAGES}
SHARED = "contracts"
#: Modules without input and output, and what they may import beside the standard library.
PURE = {
    "contracts": (
        "{errors,features,indices,logs,mappings,messages,metrics,psi,settings,topics,trade}.py",
        {"msgspec", "pydantic", "pydantic_settings"},
    ),
    "ingest": (
        (
            "{assignment,backoff,bucket,budget,gaps,handover,liveness,membership,parse,"
            "protocol,sharding,silence,spans,stitch,subscriptions,track,weights}.py"
        ),
        {"msgspec"},
    ),
    "simulator": (
        "{exports,faults,frames,gate,instruments,klines,ledger,listing,protocol,rest,tamper,tape}.py",
        {"msgspec", "numpy"},
    ),
    "stream": (
        (
            "{averages,bars,baselines,breaker,buckets,candle_rules,candlesticks,clock,"
            "dedup,desk,documents,engine,findings,history/replay,history/request,indicators,"
            "pulse,records,rolling,rules,settled,snapshot,spread,wal,watch,words}.py"
        ),
        {"msgspec", "orjson", "pydantic"},
    ),
    "models": (
        (
            "{dataset,evaluation,figures,folds,intervals,labels,leaks,learners,nullworld,page,"
            "parity,plots,scores,study}.py"
        ),
        {"numpy", "sklearn"},
    ),
    "board": ("{market,params,queries,windows}.py", {"msgspec"}),
    "predictor": ("{decode,exposition,validate}.py", {"numpy", "simdjson"}),
    "audit": ("{compare,join,model,rotation,rows}.py", set()),
    "alerts": (
        "{answers,backoff,commands,errors,limits,model,parse,picture,policy,text}.py",
        {"msgspec", "PIL"},
    ),
}
#: Standard, but no place for a pure module: sockets, processes, clocks that nobody passed in.
IMPURE_STANDARD = {"asyncio", "http", "random", "socket", "subprocess", "threading", "time"}


def modules(room: Path, pattern: str = "*.py") -> list[Path]:
    """Find a room's modules; `{a,b}.py` names several."""
    if not pattern.startswith("{"):
        return sorted(room.rglob(pattern))
    return [room / f"{name}.py" for name in pattern[1 : pattern.index("}")].split(",")]


def imports(module: Path) -> Iterator[str]:
    """Give the full names that a module imports at run time, wherever it does so."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    typing_only = {id(inner) for node in ast.walk(tree) if _is_typing_only(node)
                   for inner in ast.walk(node)}  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if id(node) not in typing_only)
        elif isinstance(node, ast.ImportFrom) and id(node) not in typing_only:
            assert node.level == 0, f"{module} imports relatively"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _is_typing_only(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.If)
        and isinstance(node.test, ast.Name)
        and node.test.id == "TYPE_CHECKING"
    )


def test_all_rooms_are_found() -> None:
    """The rule is worth nothing over an empty list."""
    assert {"contracts", "ingest"} <= set(ROOMS)


@pytest.mark.parametrize("room", sorted(ROOMS))
def test_a_room_imports_the_contracts_and_itself(room: str) -> None:
    """Rooms meet in messages, not in code."""
    foreign = [
        f"{module.relative_to(ROOT)}: {name}"
        for module in modules(ROOMS[room])
        for name in imports(module)
        if name.startswith("cryptostream.") and name.split(".")[1] not in {room, SHARED}
    ]
    assert not foreign


def test_the_namespace_has_no_init() -> None:
    """An `__init__.py` in `src/cryptostream` would hide all rooms but one."""
    assert not [room.parent / "__init__.py" for room in ROOMS.values()
                if (room.parent / "__init__.py").exists()]  # fmt: skip


@pytest.mark.parametrize("room", sorted(PURE))
def test_pure_modules_import_no_client(room: str) -> None:
    """What computes does no input or output: neither by a library nor by the standard one."""
    pattern, allowed = PURE[room]
    found = modules(ROOMS[room], pattern)
    assert found
    for module in found:
        for name in imports(module):
            top = name.split(".")[0]
            standard = top in sys.stdlib_module_names and top not in IMPURE_STANDARD
            assert standard or top in allowed or top == "cryptostream", f"{module.name}: {name}"
