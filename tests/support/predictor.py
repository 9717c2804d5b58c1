"""A real predictor: a small model trained by the project's own code, served by its own process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import httpx
import msgspec
from support import market
from support.eventually import eventually
from support.servers import free_ports

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

READY_SECONDS = 240.0
STOP_SECONDS = 15.0


class Pointed(msgspec.Struct, frozen=True):
    """What the training command says of the model it saved."""

    tag: str
    sha256: str


@dataclass(frozen=True)
class Workshop:
    """A folder with trades, a model store and a pointer."""

    folder: Path

    @property
    def store(self) -> Path:
        """Give BentoML's home."""
        return self.folder / "store"

    @property
    def pointer(self) -> Path:
        """Give the pointer file."""
        return self.folder / "model.json"

    def train(self, seed: int) -> Pointed:
        """Train a small model on a martingale, in a process of its own, and point at it."""
        trades = self.folder / "trades"
        trades.mkdir(exist_ok=True)
        market.write_csv(market.tape(orders=4_000, seed=seed), trades)
        done = subprocess.run(
            [
                *(sys.executable, "-m", "cryptostream.models", "train", "--trades", str(trades)),
                *("--store", str(self.store), "--pointer", str(self.pointer)),
                *("--trees", "10", "--max-rows", "1000", "--seed", str(seed)),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return msgspec.json.decode(done.stdout, type=Pointed)

    def environment(self, port: int) -> dict[str, str]:
        """Give the settings of a predictor on this workshop's model."""
        return {
            **os.environ,
            "BENTOML_HOME": str(self.store),
            "PREDICTOR_POINTER": str(self.pointer),
            "PREDICTOR_PORT": str(port),
            "PREDICTOR_POLL_SECONDS": "0.1",
        }


@dataclass(frozen=True)
class PredictorProcess:
    """A running predictor and a client for it."""

    process: subprocess.Popen[bytes]
    client: httpx.Client
    log: Path

    def predict(self, columns: dict[str, list[float]]) -> httpx.Response:
        """Ask for predictions, as the stream does."""
        return self.client.post(
            "/predict", json={"features_hash": FEATURES_HASH, "columns": columns}
        )

    def metric(self, name: str) -> float:
        """Read one sample by its name and labels as they stand in the exposition; 0 if absent."""
        for line in self.client.get("/metrics").text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rsplit(" ", 1)[1])
        return 0.0


@contextmanager
def running_predictor(
    workshop: Workshop, settings: Mapping[str, str] = MappingProxyType({})
) -> Iterator[PredictorProcess]:
    """Start `python -m cryptostream.predictor`, wait until ready, stop it by SIGTERM."""
    (port,) = free_ports(1)
    log = workshop.folder / "predictor.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptostream.predictor"],
            env={**workshop.environment(port), **settings},
            stdout=output,
            stderr=output,
        )
    client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30)
    try:
        eventually(lambda: _ready(process, client, log), within=READY_SECONDS)
        yield PredictorProcess(process, client, log)
    finally:
        client.close()
        process.send_signal(signal.SIGTERM)
        process.wait(STOP_SECONDS)


def columns_of(rows: npt.NDArray[np.float64]) -> dict[str, list[float]]:
    """Turn rows of features into the columns of a request."""
    return {name: rows[:, at].tolist() for at, name in enumerate(FEATURE_NAMES)}


def _ready(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> Any:
    if process.poll() is not None:
        raise RuntimeError(f"the predictor ended with {process.returncode}: {log.read_text()}")
    try:
        return client.get("/readyz").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False
