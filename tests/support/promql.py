"""The names in a PromQL query: enough of its grammar for queries of ours."""

from __future__ import annotations

import re

_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_BY = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_MATCHERS = re.compile(r"\{([^}]*)\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(?!\s*\()\b(?!\s*\()")
_WORDS = {"and", "or", "unless", "bool", "offset"}


def _bare(query: str) -> str:
    return _STRING.sub('""', query)


def metrics_of(query: str) -> set[str]:
    """Give the metrics that a query reads."""
    rest = _RANGE.sub(" ", _MATCHERS.sub(" ", _BY.sub(" ", _bare(query))))
    rest = re.sub(r"\b\d[\w.]*", " ", rest)
    return {name for name in _NAME.findall(rest) if name not in _WORDS}


def labels_of(query: str) -> set[str]:
    """Give the labels that a query matches or groups by."""
    bare = _bare(query)
    grouped = [name.strip() for found in _BY.findall(bare) for name in found.split(",")]
    matched = [
        re.split(r"[=!]", pair)[0].strip()
        for found in _MATCHERS.findall(bare)
        for pair in found.split(",")
    ]
    return {name for name in [*grouped, *matched] if name}
