"""One round of continuous training: from a data set to a promoted model, or to a reason why not.

The way of a round:
1. the newest window is set apart: nothing of it is trained on, and it begins after all that the
   champion was trained on;
2. challengers of each kind are trained on what was settled before it;
3. champion and challengers are scored on the window's stored vectors, by the same blocks, which
   costs no serving;
4. the challenger with the best lower bound of the gain goes through the gate;
5. if it passes, it is saved and promoted, just as it was scored; the predictor follows by itself.
Each step is told, with its numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptostream.models import gate
from cryptostream.models.card import model_card
from cryptostream.models.errors import TrainingError
from cryptostream.models.evaluation import evaluate
from cryptostream.models.folds import newest_plan
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import KINDS, Kind, fit, scorer
from cryptostream.models.scores import MIN_BLOCKS_FOR_EDGE
from cryptostream.models.study import naive_report
from cryptostream.models.train import MIN_ROWS

if TYPE_CHECKING:
    from cryptostream.models.dataset import Dataset
    from cryptostream.models.evaluation import Report, Scorer
    from cryptostream.models.folds import FoldPlan
    from cryptostream.models.gate import Rules, Verdict
    from cryptostream.models.learners import Fitted, Options
    from cryptostream.models.pointing import Saved

CHAMPION: Final = "champion"
#: The window is at least so long, else its blocks share their answers.
MIN_WINDOW_MS: Final = MIN_BLOCKS_FOR_EDGE * 5 * SERVED_HORIZON_MS

#: Told of each step: its event and its numbers, fields of the kind `models`.
Tell = Callable[[str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Champion:
    """The model in service: its name, its probabilities, and up to when it knows answers."""

    tag: str
    scorer: Scorer
    trained_to_ms: int


@dataclass(frozen=True, slots=True)
class Bar:
    """The gate's rules, and what the null-world check found; empty if it is green."""

    rules: Rules
    null_fault: str


class Shelf(Protocol):
    """Where models are kept, and which is served."""

    def champion(self) -> Champion | None:
        """Give the model in service; None if there is none."""

    def served_ms(self) -> int:
        """Tell how long it has been in service."""

    def save(self, model: Any, card: dict[str, Any]) -> Saved:
        """Keep a model with its card."""

    def promote(self, saved: Saved, reason: str) -> None:
        """Serve the model from now on."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a round came to: the gate's verdict and, if it passed, the model promoted."""

    verdict: Verdict
    kind: str
    promoted: Saved | None


def learn(dataset: Dataset, shelf: Shelf, options: Options, bar: Bar, tell: Tell) -> Round:
    """Do a round.

    Args:
        dataset: the newest trades with their stored vectors.
        shelf: of models.
        options: of the challengers; each kind is tried.
        bar: what a challenger must pass.
        tell: is told of each step.

    Raises:
        TrainingError: when the data are too few.
    """
    champion = shelf.champion()
    plan = window(dataset, champion)
    fitted = _train(dataset, plan, options, tell)
    finished: dict[str, Scorer] = {kind: scorer(one.model) for kind, one in fitted.items()}
    if champion is not None:
        finished[CHAMPION] = champion.scorer
    report = evaluate(finished, dataset, plan, options.seed)
    for name in finished:
        tell("evaluated", _numbers(report, name, champion, dataset))
    best = max(fitted, key=lambda kind: _rank(report, kind, champion))
    served_ms = shelf.served_ms() if champion else 0
    verdict = gate.judge(_match(report, best, champion, served_ms, bar.null_fault), bar.rules)
    told = {**_numbers(report, best, champion, dataset), "reason": verdict.reason}
    if not verdict.passed:
        tell("refused", told)
        return Round(verdict, best, None)
    chosen = replace(options, kind=best)
    card = _card(dataset, report, fitted[best], chosen, plan.tests[0][0])
    saved = shelf.save(fitted[best].model, card)
    reason = f"{best}: {verdict.reason}"
    shelf.promote(saved, reason)
    previous = champion.tag if champion else ""
    tell("promoted", {**told, "model": saved.tag, "previous": previous})
    return Round(verdict, best, saved)


def window(dataset: Dataset, champion: Champion | None) -> FoldPlan:
    """Set the newest window apart, all of it after what the champion knows.

    Raises:
        TrainingError: when too little time has passed since.
    """
    time_ms = dataset.at(SERVED_HORIZON_MS).time_ms
    if not len(time_ms):
        raise TrainingError("no warm rows with an answer; give a longer range")
    plan = newest_plan(time_ms, SERVED_HORIZON_MS)
    ((start, end),) = plan.tests
    if champion is not None:
        start = max(start, champion.trained_to_ms + 2 * SERVED_HORIZON_MS)
    if end - start < MIN_WINDOW_MS:
        raise TrainingError(
            f"only {max(0, end - start) // 1000} s are newer than what the models know, "
            f"{MIN_WINDOW_MS // 1000} s are needed; wait"
        )
    return replace(plan, tests=((start, end),))


def _train(dataset: Dataset, plan: FoldPlan, options: Options, tell: Tell) -> dict[Kind, Fitted]:
    samples = dataset.at(SERVED_HORIZON_MS)
    start = plan.tests[0][0]
    past = samples.take(samples.settled_ms + plan.embargo_ms < start).decided()
    if len(past) < MIN_ROWS:
        raise TrainingError(f"only {len(past)} rows before the window, {MIN_ROWS} are needed; wait")
    fitted = {}
    for kind in KINDS:
        fitted[kind] = fit(past, replace(options, kind=kind))
        tell("trained", {"kind": kind, "rows": len(past), "data_hash": dataset.sha256})
    return fitted


def _rank(report: Report, kind: str, champion: Champion | None) -> float:
    if champion is None:
        return -report.scores[kind].log_loss.value
    return report.gain(kind, CHAMPION).low


def _match(
    report: Report, kind: str, champion: Champion | None, served_ms: int, null_fault: str
) -> gate.Match:
    def standing(name: str) -> gate.Standing:
        score = report.scores[name]
        return gate.Standing(score.auc.value, score.calibration_error)

    return gate.Match(
        challenger=standing(kind),
        champion=standing(CHAMPION) if champion else None,
        gain=report.gain(kind, CHAMPION) if champion else None,
        blocks=report.blocks.count,
        served_ms=served_ms,
        null_fault=null_fault,
    )


def _numbers(
    report: Report, name: str, champion: Champion | None, dataset: Dataset
) -> dict[str, Any]:
    score = report.scores[name]
    found = {
        "kind": name,
        "model": champion.tag if champion and name == CHAMPION else "",
        "data_hash": dataset.sha256,
        "horizon": SERVED_HORIZON_MS // 1000,
        "rows": score.rows,
        "auc": score.auc.value,
        "auc_low": score.auc.low,
        "auc_high": score.auc.high,
        "calibration_error": score.calibration_error,
        "no_edge": not score.has_edge,
    }
    if champion is not None and name != CHAMPION:
        gain = report.gain(name, CHAMPION)
        found |= {"log_loss_gain": gain.value, "gain_low": gain.low}
    return found


def _card(
    dataset: Dataset, report: Report, fitted: Fitted, options: Options, trained_to_ms: int
) -> dict[str, Any]:
    """Compose the card of a model as it was scored: its numbers are those of the window."""
    card = model_card(dataset, report, naive_report(dataset, options), fitted, options)
    return {**card, "trained_to_ms": trained_to_ms}
