"""What can go wrong in the service."""

from __future__ import annotations

from cryptostream.contracts.errors import CryptostreamError, Failure


class InputError(CryptostreamError):
    """A request can't be scored; the text names the column and the remedy."""

    failure = Failure.POISON


class ModelError(CryptostreamError):
    """A pointer or the model it names can't be used; one line says which check failed."""
