"""Running a Vega specification as Kibana does: its search first, then its drawing."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import vl_convert

if TYPE_CHECKING:
    from collections.abc import Sequence

Json = dict[str, Any]
WIDTH, HEIGHT = 1_000, 460
_TIME = "%timefilter%"
#: What Kibana puts in place of its own words when no filter is set.
_NOTHING_CHOSEN = {
    "%dashboard_context-must_clause%": {"match_all": {}},
    "%dashboard_context-must_not_clause%": {"match_none": {}},
}


def search(spec: Json, since: int, until: int, symbols: Sequence[str]) -> tuple[str, Json]:
    """Give the index pattern and the body with Kibana's words filled in, these symbols chosen."""
    url = spec["data"][0]["url"]
    words = {
        **_NOTHING_CHOSEN,
        "%dashboard_context-filter_clause%": {"terms": {"symbol": list(symbols)}},
        _TIME: {"gte": since, "lte": until, "format": "epoch_millis"},
    }
    return url["index"], _filled(url["body"], words)


def _filled(value: Any, words: Json) -> Any:
    if isinstance(value, str):
        return words.get(value, value)
    if isinstance(value, list):
        return [_filled(inner, words) for inner in value]
    if isinstance(value, dict):
        if value == {_TIME: True}:
            return words[_TIME]
        return {name: _filled(inner, words) for name, inner in value.items()}
    return value


def drawn(spec: Json, answer: Json) -> Json:
    """Give the specification over an answer of Elasticsearch, at a panel's size."""
    made = copy.deepcopy(spec)
    del made["data"][0]["url"]
    made["data"][0]["values"] = answer
    return made | {"width": WIDTH, "height": HEIGHT}


def svg(spec: Json, answer: Json) -> str:
    """Draw as SVG."""
    return str(vl_convert.vega_to_svg(drawn(spec, answer)))


def png(spec: Json, answer: Json) -> bytes:
    """Draw as a picture to look at."""
    return bytes(vl_convert.vega_to_png(drawn(spec, answer)))
