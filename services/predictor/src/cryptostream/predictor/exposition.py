"""Metrics of the model in service, as text: a gauge of a library would keep every old tag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.contracts.metrics import metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.predictor.pointer import Served


def exposition(served: Served | None, now_seconds: float, *, refused: bool) -> str:
    """Render the gauges; `refused` tells whether the pointer names a model that can't be used."""
    text = _gauge("model_refused", "1 while the pointer names an unfit model.", {"": refused})
    if served is None:
        return text
    labels = f'{{model="{served.pointer.tag}",no_edge="{str(served.no_edge).lower()}"}}'
    text += _gauge("model_info", "The model in service.", {labels: 1})
    age = now_seconds - served.made_seconds
    text += _gauge("model_age_seconds", "Since the model was saved.", {"": round(age, 1)})
    if served.drift is not None:
        drift = {f'{{feature="{name}"}}': psi for name, psi in served.drift.values().items()}
        text += _gauge("feature_psi", "Incoming features against the training rows.", drift)
    return text


def _gauge(what: str, text: str, values: Mapping[str, float]) -> str:
    name = metric("predictor", what)
    lines = [f"# HELP {name} {text}", f"# TYPE {name} gauge"]
    lines += [f"{name}{labels} {float(value):g}" for labels, value in values.items()]
    return "\n".join(lines) + "\n"
