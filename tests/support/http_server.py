"""A local HTTP server that answers from a script; it plays a server's bad days."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import MappingProxyType

#: (path, body) -> (status, body)
Answer = Callable[[str, bytes], tuple[int, bytes]]


@contextmanager
def answering(answer: Answer, headers: Mapping[str, str] = MappingProxyType({})) -> Iterator[str]:
    """Serve `answer` on a free port of this machine; give the server's URL.

    `headers` go with every answer.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            status, content = answer(self.path, body)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            # Elasticsearch's client refuses servers that do not name their product.
            self.send_header("x-elastic-product", "Elasticsearch")
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
