"""HTTP through a parser in C, with a bound on all that isn't a body.

uvicorn's own parser in Python costs as much per call as scoring 40 rows. The one in C keeps a
request's line and headers however long they become, so they are bounded here.
"""

from __future__ import annotations

from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

#: Of one request; the framing of a chunked body of `limits.MAX_BODY_BYTES` in chunks of 1 KiB
#: takes half of it.
MAX_HEAD_BYTES: Final = 256 * 1024


class BoundedHttp(HttpToolsProtocol):
    """A connection that is answered 400 and closed once a request's head is too large."""

    _head = 0

    def data_received(self, data: bytes) -> None:
        """Count what has come; `on_body` takes off what was body."""
        self._head += len(data)
        super().data_received(data)
        if self._head > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response(f"The request's head is larger than {MAX_HEAD_BYTES} bytes.")

    def on_body(self, body: bytes) -> None:
        """Pass a part of the body on."""
        self._head -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Begin to count anew."""
        self._head = 0
        super().on_message_complete()
