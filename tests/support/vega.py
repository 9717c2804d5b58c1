"""Running a Vega specification as Kibana does: its search first, then its drawing."""

from __future__ import annotations

import copy
from typing import Any

import vl_convert

Json = dict[str, Any]
WIDTH, HEIGHT = 1_000, 460
#: What Kibana puts in place of its own words when no filter is set.
_NOTHING_CHOSEN = {
    "%dashboard_context-must_clause%": {"match_all": {}},
    "%dashboard_context-filter_clause%": {"match_all": {}},
    "%dashboard_context-must_not_clause%": {"match_none": {}},
}


def search(spec: Json, since: int, until: int) -> tuple[str, Json]:
    """Give the index pattern and the body with Kibana's words filled in."""
    url = spec["data"][0]["url"]
    within = {"gte": since, "lte": until, "format": "epoch_millis"}
    return url["index"], _filled(url["body"], within)


def _filled(value: Any, within: Json) -> Any:
    if isinstance(value, str):
        return _NOTHING_CHOSEN.get(value, value)
    if isinstance(value, list):
        return [_filled(inner, within) for inner in value]
    if isinstance(value, dict):
        if value == {"%timefilter%": True}:
            return within
        return {name: _filled(inner, within) for name, inner in value.items()}
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
