"""What can go wrong in training; all of it is fatal for the run and told in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.contracts.errors import CryptostreamError, Failure

if TYPE_CHECKING:
    from pathlib import Path


class TradeFileError(CryptostreamError):
    """A trade file can't be used; the text reads `FILE:LINE: reason`."""

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")


class TrainingError(CryptostreamError):
    """The data don't carry a training; the text says what is missing and the remedy."""


class LeakError(CryptostreamError):
    """The future has leaked into a score, or is suspected to; nothing of it may be believed."""


class ParityError(CryptostreamError):
    """Stored vectors can't be compared with replayed ones; the text says what is missing."""


class DatasetError(CryptostreamError):
    """A stored data set can't be used; the text names the file and the remedy."""


class PromotionError(CryptostreamError):
    """The model in service can't be changed; the text says what is in the way."""


class ScoreboardError(CryptostreamError):
    """Live scores can't be had now; the text says which server didn't answer."""

    failure = Failure.TRANSIENT
