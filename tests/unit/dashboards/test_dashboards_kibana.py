"""Kibana's dashboards: up to date, of the API's shape, over fields that exist."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import pytest
from support.dashboard_files import (
    CHART,
    KIBANA,
    KINDS,
    buckets_of,
    fields_of,
    kibana_dashboards,
    layers,
    metrics_of,
    vega_specs,
)

from cryptostream.cli.dashboards.__main__ import files, render
from cryptostream.cli.dashboards.data_views import TIME_FIELDS, data_views
from cryptostream.cli.dashboards.shape import DataViewRequest, check_dashboard
from cryptostream.contracts.mappings import PROPERTIES

DASHBOARDS = kibana_dashboards()
PANELS = [
    pytest.param(panel["config"], id=f"{name}-{panel['config'].get('title', panel['id'])}")
    for name, body in DASHBOARDS.items()
    for panel in body["panels"]
    if panel["type"] == "vis"
]
#: Words of KQL before a colon or comparison are fields.
KQL_FIELD = re.compile(r"([\w.]+)\s*(?::|[<>]=?)")
NUMBERS = {"double", "float", "long", "byte"}
NUMERIC = {"sum", "average", "median", "percentile", "standard_deviation"}


@pytest.mark.parametrize("name", list(files()))
def test_the_committed_file_is_what_the_code_writes(name: str) -> None:
    """A change of the code without writing the files anew is told."""
    committed = (CHART / "dashboards" / name).read_text(encoding="utf-8")
    assert committed == render(files()[name]), "run `make dashboards`"


def test_no_file_is_left_over() -> None:
    """A dashboard that the code no longer makes is gone."""
    found = {
        str(path.relative_to(CHART / "dashboards"))
        for path in (CHART / "dashboards").rglob("*")
        if path.is_file()
    }
    assert found == set(files())


@pytest.mark.parametrize("name", list(DASHBOARDS))
def test_a_dashboard_has_the_shape_of_the_api(name: str) -> None:
    """What Kibana's API would refuse is refused here."""
    check_dashboard(DASHBOARDS[name])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"titel": "x"}, "titel"),
        ({"refresh_interval": {"pause": False}}, "value"),
        ({"panels": []}, "panels must be there"),
        ({"panels": "twice"}, "lies on another"),
    ],
)
def test_the_checker_refuses(change: dict[str, Any], said: str) -> None:
    """The checker can fail: unknown names, missing ones, panels on each other."""
    body = json.loads(json.dumps(DASHBOARDS["crypto-market"]))
    if change == {"panels": "twice"}:
        change = {"panels": [*body["panels"], body["panels"][0] | {"id": "again"}]}
    with pytest.raises(msgspec.ValidationError, match=said):
        check_dashboard(body | change)


def test_the_checker_refuses_an_operation_without_its_field() -> None:
    """An operation that lacks what it needs is named."""
    body = json.loads(json.dumps(DASHBOARDS["crypto-market"]))
    for panel in body["panels"]:
        if panel["config"].get("type") == "data_table":
            del panel["config"]["metrics"][0]["time_field"]
            break
    with pytest.raises(msgspec.ValidationError, match="last_value needs time_field"):
        check_dashboard(body)


@pytest.mark.parametrize("config", PANELS)
def test_a_panel_reads_fields_that_exist(config: dict[str, Any]) -> None:
    """Every field of a panel is in its index, and is of a type that the operation takes."""
    for layer in layers(config):
        kind = KINDS[layer["data_source"]["ref_id"]]
        fields = fields_of(kind)
        for used in [*metrics_of(layer), *buckets_of(layer)]:
            for name in [*used.get("fields", []), *filter(None, [used.get("field")])]:
                assert name in fields, f"{kind} has no field {name}"
                if used["operation"] in NUMERIC:
                    assert fields[name] in NUMBERS, f"{used['operation']} of {name}"
            assert used.get("time_field", TIME_FIELDS[kind]) == TIME_FIELDS[kind]
        filters = [config.get("query"), *(metric.get("filter") for metric in metrics_of(layer))]
        for expression in (one["expression"] for one in filters if one):
            assert set(KQL_FIELD.findall(expression)) <= set(fields), expression


@pytest.mark.parametrize("name", list(DASHBOARDS))
def test_a_control_chooses_from_a_field_that_exists(name: str) -> None:
    """Controls name a data view and a keyword of it."""
    for control in DASHBOARDS[name]["pinned_panels"]:
        if control["type"] == "options_list_control":
            config = control["config"]
            assert fields_of(KINDS[config["data_view_id"]])[config["field_name"]] == "keyword"


@pytest.mark.parametrize("name", list(DASHBOARDS))
def test_links_and_drilldowns_lead_to_dashboards_that_exist(name: str) -> None:
    """No link leads nowhere, and every dashboard has a drill-down that keeps the filters."""
    there = {*DASHBOARDS, "crypto-charts"}
    panels = [panel["config"] for panel in DASHBOARDS[name]["panels"]]
    links = [link["destination"] for config in panels for link in config.get("links", [])]
    drills = [drill for config in panels for drill in config.get("drilldowns", [])]
    assert {*links, *(drill["dashboard_id"] for drill in drills)} <= there
    assert drills
    assert all(drill["use_filters"] and drill["use_time_range"] for drill in drills)


def test_every_kind_of_index_has_a_data_view() -> None:
    """Data views cover the contract's kinds, each with a date as its time field."""
    assert set(TIME_FIELDS) == set(PROPERTIES)
    for view in data_views():
        msgspec.convert({"data_view": view, "override": True}, DataViewRequest)
        assert fields_of(KINDS[view["id"]])[view["timeFieldName"]] == "date"


def test_vega_reads_fields_that_exist() -> None:
    """Every field of a Vega search is in its index."""
    for spec in vega_specs().values():
        url = spec["data"][0]["url"]
        kind = KINDS[url["index"].removesuffix("-*")]
        used = set(_fields(url["body"]))
        assert used
        assert used <= set(fields_of(kind)), used


def _fields(value: Any) -> list[str]:
    if isinstance(value, list):
        return [name for inner in value for name in _fields(inner)]
    if not isinstance(value, dict):
        return []
    here = [value["field"]] if isinstance(value.get("field"), str) else []
    here += [name for key in ("range", "term") for name in value.get(key, {})]
    here += value.get("_source", [])
    return here + [name for inner in value.values() for name in _fields(inner)]


def test_the_charts_controls_find_their_data_view() -> None:
    """A saved object's control is bound by a reference of Kibana's own naming."""
    (saved,) = json.loads((KIBANA / "crypto-charts.saved-objects.json").read_text())
    controls = saved["attributes"]["controlGroupInput"]["panelsJSON"]
    names = {reference["name"] for reference in saved["references"]}
    assert names == {f"controlGroup_{one}:optionsListDataView" for one in controls}
    for reference in saved["references"]:
        fields = fields_of(KINDS[reference["id"]])
        assert all(one["explicitInput"]["fieldName"] in fields for one in controls.values())
