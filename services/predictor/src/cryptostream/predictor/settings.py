"""The service's settings, from `PREDICTOR_*` and BentoML's own `BENTOML_HOME`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, IPvAnyAddress
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class PredictorSettings(ServiceSettings):
    """Where to listen, and which model to serve.

    Attributes:
        host: an IP address to listen on.
        port: of the HTTP API, with the metrics and probes.
        pointer: the file that names the model, as `train` writes it.
        poll_seconds: how often the pointer is looked at.
        max_age: seconds after which a model is stale and no longer scores; 0 for never.
        store: BentoML's home, which holds `models/`.
    """

    model_config = SettingsConfigDict(env_prefix="PREDICTOR_")

    host: IPvAnyAddress = Field(default="127.0.0.1", validate_default=True)
    port: int = Field(default=13000, ge=1, le=65535)
    pointer: Path
    poll_seconds: float = Field(default=2.0, ge=0.05, le=3600)
    max_age: float = Field(default=7 * 86_400.0, ge=0)
    store: Path = Field(validation_alias="BENTOML_HOME")
