"""An HTTP proxy before a real Elasticsearch that plays its bad days at `_bulk`."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

#: (status, body)
Answer = tuple[int, bytes]
Forward = Callable[[bytes], Answer]
#: Takes a bulk's body and the way to the server; one that raises `ConnectionError` cuts the line.
Fault = Callable[[bytes, Forward], Answer]
_TIMEOUT_SECONDS = 60


def well(body: bytes, forward: Forward) -> Answer:
    """Pass a bulk on as it is."""
    return forward(body)


def busy(status: int) -> Fault:
    """Refuse whole requests."""
    return lambda _body, _forward: (status, b'{"error":{"type":"busy","reason":"drill"}}')


def unheard(body: bytes, forward: Forward) -> Answer:
    """Apply a bulk, and cut the line before its answer."""
    forward(body)
    raise ConnectionAbortedError


def refusing(status: int, choose: Callable[[bytes], bool]) -> Fault:
    """Refuse the items whose action line is chosen, and pass the others on."""

    def fault(body: bytes, forward: Forward) -> Answer:
        lines = body.splitlines(keepends=True)
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        chosen = [choose(header) for header, _ in pairs]
        kept = b"".join(h + d for (h, d), out in zip(pairs, chosen, strict=True) if not out)
        taken = iter(json.loads(forward(kept)[1])["items"] if kept else [])
        refusal = {"status": status, "error": {"type": "drill", "reason": "as the drill says"}}
        items = [{"index": refusal} if out else next(taken) for out in chosen]
        return 200, json.dumps({"errors": True, "items": items}).encode()

    return fault


class SearchProxy:
    """The fault in force, and how many bulks met one."""

    def __init__(self, target: str) -> None:
        self.fault: Fault = well
        self.met = 0
        self._target = urlsplit(target).netloc

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Answer one request; raises `ConnectionError` to cut the line."""

        def forward(content: bytes) -> Answer:
            line = http.client.HTTPConnection(self._target, timeout=_TIMEOUT_SECONDS)
            try:
                line.request(method, path, content or None, headers)
                answer = line.getresponse()
                return answer.status, answer.read()
            finally:
                line.close()

        if not path.startswith("/_bulk") or self.fault is well:
            return forward(body)
        self.met += 1
        return self.fault(body, forward)


@contextmanager
def search_proxy(target: str) -> Iterator[tuple[SearchProxy, str]]:
    """Run a proxy before `target`; give it and its URL."""
    proxy = SearchProxy(target)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            passed = {k: v for k, v in self.headers.items() if k.lower() in _PASSED}
            try:
                status, content = proxy.answer(self.command, self.path, passed, body)
            except OSError:
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("x-elastic-product", "Elasticsearch")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_HEAD = _do  # noqa: N815 - the base class's names

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


_PASSED = ("content-type", "accept")
