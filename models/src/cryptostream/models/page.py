"""The report as one HTML page that needs nothing else. Pure: equal studies give equal bytes."""

from __future__ import annotations

from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING, Any, Final

from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.models import figures, leaks
from cryptostream.models.evaluation import BASELINES
from cryptostream.models.study import CHAMPION, cost_bps

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cryptostream.models.dataset import Dataset
    from cryptostream.models.evaluation import Report
    from cryptostream.models.intervals import Estimate
    from cryptostream.models.scores import Score
    from cryptostream.models.study import Study

_STYLE: Final = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:15px/1.5 system-ui,sans-serif;max-width:68rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;font-size:.85rem;font-variant-numeric:tabular-nums;width:100%}
th,td{padding:.25rem .4rem;border-bottom:1px solid var(--line);text-align:right}
td{white-space:pre}
th:first-child,td:first-child,th:nth-child(2),td:nth-child(2){text-align:left}
tr.base{opacity:.65}.wide{overflow-x:auto}
.verdict{border-left:4px solid #2f6fde;background:var(--soft);padding:.6rem 1rem}
.bad{border-color:#b0413e}.figures{display:grid;grid-template-columns:repeat(auto-fit,minmax(20rem,1fr));gap:1rem}
figure{margin:0}figcaption{font-size:.85rem;opacity:.8}
svg{width:100%;height:auto;font:11px system-ui,sans-serif;fill:currentColor}
svg .grid{stroke:var(--line)}svg .line{stroke-width:2}svg .guide{stroke-dasharray:4 4;opacity:.5}
dt{font-weight:600}dd{margin:0 0 .4rem;overflow-wrap:anywhere}
"""
_HEAD: Final = (
    "horizon", "model", "rows", "AUC", "skill", "log loss", "Brier", "base Brier", "ECE",
    "accuracy", "majority", "lift", "edge, bps", "AUC, ties down",
)  # fmt: skip
_LIMITS: Final = (
    "Trades alone: no order book, so nobody knows the true mid.",
    "A same-side answer that waits too long is dropped, quiet markets more often than busy ones.",
    "An interval counts blocks of time as independent; a regime that lasts for days is one draw.",
    "The edge assumes fills at the prices of prints, at once and for any size.",
)


def render(
    study: Study, dataset: Dataset, facts: Mapping[str, Any], origin: Mapping[str, str]
) -> str:
    """Write the page.

    Args:
        study: what was found.
        dataset: on which data.
        facts: of the data, as `card.data_facts` gives them.
        origin: seed, versions, commit: what it takes to get the same page again.
    """
    served = study.reports[study.served_ms]
    kinds = [name for name in served.scores if name not in BASELINES]
    body = [
        "<h1>Can the direction of the next seconds be told from trades?</h1>",
        _verdict(study, dataset),
        _data(facts),
        "<h2>Label A: the next order of the same side, at or after the horizon</h2>",
        _table(study.reports),
        "<h2>The naive question: is the next trade higher?</h2>",
        _naive(study.naive),
        f"<h2>Pictures, at {study.served_ms / 1000:g} s</h2>",
        _figures(study, served, kinds),
        "<h2>By symbol</h2>",
        _symbols(study.reports, kinds),
        "<h2>Limits</h2>",
        f"<ul>{''.join(f'<li>{escape(one)}</li>' for one in _LIMITS)}</ul>",
        "<h2>To get this page again, byte for byte</h2>",
        _list({**origin, "data sha256": facts["sha256"], "features hash": FEATURES_HASH}),
    ]
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Evaluation</title>'
        f"<style>{_STYLE}</style>{''.join(body)}</html>\n"
    )


def _verdict(study: Study, dataset: Dataset) -> str:
    """Say in plain words what the numbers mean, cost first."""
    score = study.reports[study.served_ms].scores[CHAMPION]
    cost = cost_bps(dataset)
    found = leaks.suspicions(study.reports)
    words = [
        "The forest tells direction better than chance."
        if score.has_edge
        else "The forest shows no edge over chance: its intervals don't stand clear of it.",
        f"Where it is surest it gains {score.edge_bps.value:+.2f} basis points a trade "
        f"({score.edge_bps.low:+.2f} to {score.edge_bps.high:+.2f}); a round trip costs "
        f"{cost:.1f} (taker's fee and half the spread, twice): "
        + ("more than the cost." if score.edge_bps.low > cost else "trading on it loses money."),
        *found,
    ]
    kind = "verdict bad" if found else "verdict"
    return f'<div class="{kind}">{"".join(f"<p>{escape(one)}</p>" for one in words)}</div>'


def _data(facts: Mapping[str, Any]) -> str:
    span = " to ".join(
        datetime.fromtimestamp(facts[name] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
        for name in ("from_ms", "to_ms")
    )
    symbols = ", ".join(f"{name} {rows:,}" for name, rows in facts["trades_by_symbol"].items())
    return f"<p>{facts['trades']:,} trades, {span} UTC. {escape(symbols)}.</p>"


def _table(reports: Mapping[int, Report]) -> str:
    return _rows(
        _HEAD,
        (
            ((f"{horizon / 1000:g} s", name, *_cells(score)), name in BASELINES)
            for horizon, report in reports.items()
            for name, score in report.scores.items()
        ),
    )


def _cells(score: Score) -> tuple[str, ...]:
    return (
        f"{score.rows:,}",
        _interval(score.auc),
        _interval(score.skill),
        f"{score.log_loss.value:.4f}",
        f"{score.brier.value:.4f}",
        f"{score.base_brier:.4f}",
        f"{score.calibration_error:.3f}",
        _interval(score.accuracy),
        f"{score.majority_accuracy:.3f}",
        _interval(score.lift),
        _interval(score.edge_bps, 2),
        f"{score.ties_auc:.3f}",
    )


def _naive(report: Report) -> str:
    rows = (
        (
            (
                name,
                f"{score.rows:,}",
                _interval(score.auc),
                _interval(score.accuracy),
                f"{score.majority_accuracy:.3f}",
            ),
            name in BASELINES,
        )
        for name, score in report.scores.items()
    )
    return (
        "<p>This skill is false. Most next trades print the same price, the fills of one order "
        "march one way, and prints bounce between bid and ask, so a market made of pure chance "
        "gives the same. It stands here so that nobody takes it for foresight.</p>"
        + _rows(("model", "rows", "AUC", "accuracy", "majority"), rows)
    )


def _figures(study: Study, served: Report, kinds: Sequence[str]) -> str:
    drawn = [
        figures.auc_by_horizon(study.reports, kinds),
        figures.reliability_curve(served, kinds),
        figures.roc_by_fold(served, CHAMPION),
        figures.auc_over_time(served, CHAMPION),
    ]
    if study.importance:
        drawn.append(figures.importances(study.importance))
    return f'<div class="figures">{"".join(drawn)}</div>'


def _symbols(reports: Mapping[int, Report], kinds: Sequence[str]) -> str:
    rows = (
        (
            (
                symbol,
                f"{horizon / 1000:g} s",
                *(_interval(report.by_symbol[kind][symbol]) for kind in kinds),
            ),
            False,
        )
        for horizon, report in reports.items()
        for symbol in report.by_symbol[kinds[0]]
    )
    return _rows(("symbol", "horizon", *(f"AUC, {kind}" for kind in kinds)), rows)


def _rows(head: Sequence[str], rows: Iterable[tuple[Sequence[str], bool]]) -> str:
    """Write a table; the flag marks a baseline's row."""
    top = "".join(f"<th>{escape(name)}</th>" for name in head)
    lines = "".join(
        f"<tr{' class=base' if base else ''}>"
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        for cells, base in rows
    )
    return f'<div class="wide"><table><tr>{top}</tr>{lines}</table></div>'


def _list(items: Mapping[str, str]) -> str:
    return (
        f"<dl>{''.join(f'<dt>{escape(k)}</dt><dd>{escape(v)}</dd>' for k, v in items.items())}</dl>"
    )


def _interval(one: Estimate, digits: int = 3) -> str:
    """Write the value and, below it, its interval; a zero has no sign."""
    value, low, high = (f"{round(number, digits) + 0.0:.{digits}f}" for number in one)
    return f"{value}\n[{low}, {high}]"
