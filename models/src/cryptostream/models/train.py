"""Training: evaluate by walking forward, then fit on everything and write the card."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptostream.models import leaks
from cryptostream.models.card import model_card
from cryptostream.models.errors import TrainingError
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import fit, hush
from cryptostream.models.study import study

if TYPE_CHECKING:
    from cryptostream.models.dataset import Dataset
    from cryptostream.models.learners import Options

#: Below it neither the model nor its scores say anything.
MIN_ROWS: Final = 400


class Trained(NamedTuple):
    """A model ready to be saved, and its card."""

    model: Any
    card: dict[str, Any]


def train(dataset: Dataset, options: Options, *, horizon_ms: int = SERVED_HORIZON_MS) -> Trained:
    """Train a model on the dataset and judge the result.

    The card's scores come from walking forward: each test follows all that its model had seen.
    The returned model is then fitted on all rows by the same recipe; without an edge, and with too
    little time for a calibration, its probabilities stay close to one half.

    Raises:
        TrainingError: when the data are too few.
        LeakError: when the scores are too good to be true.
    """
    samples = dataset.at(horizon_ms).decided()
    if len(samples) < MIN_ROWS:
        raise TrainingError(
            f"only {len(samples)} usable rows, at least {MIN_ROWS} are needed; give a longer "
            f"recording (each symbol's first 300 s only warm up, and {horizon_ms // 1000} s must "
            "follow each trade)"
        )
    judged = study(dataset, options, kinds=(options.kind,), horizons_ms=(horizon_ms,))
    leaks.refuse(judged.reports)
    fitted = fit(samples, options)
    report = judged.reports[horizon_ms]
    if fitted.calibration == "none" and not report.scores[options.kind].has_edge:
        fitted = hush(fitted, samples)
    card = model_card(dataset, report, judged.naive, fitted, options)
    return Trained(fitted.model, card)
