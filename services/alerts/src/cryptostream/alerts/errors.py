"""What each failure asks for: the classes decide, everything else obeys.

CryptostreamError
├── SearchError     Elasticsearch gives no answer that can be used
├── OutboxFullError too much is still to be delivered; the source has to wait
└── BotError        the Bot API refused or did not answer; says what to do
"""

from __future__ import annotations

from cryptostream.contracts.errors import CryptostreamError, Failure


class SearchError(CryptostreamError):
    """Elasticsearch gives no answer that can be used; the text is fit to be shown."""

    failure = Failure.TRANSIENT


class OutboxFullError(CryptostreamError):
    """Too much is still to be delivered."""

    failure = Failure.TRANSIENT


class BotError(CryptostreamError):
    """A call to the Bot API failed; the text never holds the token.

    Attributes:
        code: the API's error code; 0 if there was no answer that could be read.
        retry_after: seconds, where the API named them.
        sure: whether the call certainly had no effect.
    """

    def __init__(
        self, text: str, *, code: int = 0, retry_after: float | None = None, sure: bool = True
    ) -> None:
        super().__init__(text)
        self.text = text
        self.code = code
        self.retry_after = retry_after
        self.sure = sure

    @property
    def failure(self) -> Failure:  # type: ignore[override]
        """Tell what it asks for: only a plain refusal of this one call is poison."""
        if self.code in {400, 403}:
            return Failure.POISON
        return Failure.FATAL if self.code in {401, 404} else Failure.TRANSIENT
