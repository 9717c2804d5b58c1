"""A Kibana that checks what it is asked as the real one does, and remembers it."""

from __future__ import annotations

import base64
import email
import json
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import msgspec

from cryptostream.cli.dashboards.shape import DataViewRequest, check_dashboard

if TYPE_CHECKING:
    from collections.abc import Iterator

USER, PASSWORD = "elastic", "right"


class RefusedError(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, said: str) -> None:
        super().__init__(said)
        self.status = status


@dataclass
class FakeKibana:
    """What the server holds; `starting` requests are answered 503 first."""

    starting: int = 0
    import_fails: bool = False
    url: str = ""
    views: dict[str, Any] = field(default_factory=dict)
    dashboards: dict[str, Any] = field(default_factory=dict)
    saved: dict[str, Any] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)

    def answer(self, method: str, path: str, headers: Any, body: bytes) -> dict[str, Any]:
        """Do what a request asks; raises `RefusedError`."""
        self.requests.append(f"{method} {path}")
        if self.starting > 0:
            self.starting -= 1
            raise RefusedError(503, "Kibana server is not ready yet")
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if headers.get("Authorization") != f"Basic {login}":
            raise RefusedError(401, "unable to authenticate user")
        if not headers.get("kbn-xsrf"):
            raise RefusedError(400, "Request must contain a kbn-xsrf header.")
        if (method, path) == ("POST", "/api/data_views/data_view"):
            return self._data_view(_json(headers, body))
        if (method, path) == ("POST", "/api/saved_objects/_import?overwrite=true"):
            return self._import(headers["Content-Type"], body)
        found = re.fullmatch(r"/api/dashboards/([\w-]+)", path)
        if method == "PUT" and found:
            return self._dashboard(found[1], _json(headers, body))
        raise RefusedError(404, "Not Found")

    def _data_view(self, body: Any) -> dict[str, Any]:
        view = msgspec.to_builtins(_checked(body, DataViewRequest).data_view)
        self.views[view["id"]] = view
        return {"data_view": view}

    def _dashboard(self, identity: str, body: Any) -> dict[str, Any]:
        try:
            check_dashboard(body)
        except msgspec.ValidationError as error:
            raise RefusedError(400, str(error)) from error
        wanted = set(re.findall(r'"(?:ref_id|data_view_id)": "([^"]+)"', json.dumps(body)))
        if not wanted <= set(self.views):
            raise RefusedError(400, f"no data views {sorted(wanted - set(self.views))}")
        self.dashboards[identity] = body
        return {"id": identity, "data": body}

    def _import(self, content_type: str, body: bytes) -> dict[str, Any]:
        head = f"Content-Type: {content_type}\r\n\r\n".encode()
        (part,) = email.message_from_bytes(head + body).get_payload()
        assert 'name="file"' in part["Content-Disposition"]
        raw = part.get_payload(decode=True)
        objects = [json.loads(line) for line in raw.splitlines() if line]
        if self.import_fails:
            return {"success": False, "errors": [{"error": {"type": "unsupported_type"}}]}
        for one in objects:
            _stored(one)
            self.saved[one["id"]] = one
        return {"success": True, "successCount": len(objects)}


def _stored(one: dict[str, Any]) -> None:
    """Read an object as Kibana's migrations do: strings where it keeps strings."""
    attributes = one["attributes"]
    for panel in json.loads(attributes["panelsJSON"]):
        visualization = panel["embeddableConfig"]["savedVis"]
        if visualization["type"] == "vega":
            assert json.loads(visualization["params"]["spec"])["marks"]
    json.loads(attributes["optionsJSON"])
    json.loads(attributes["controlGroupInput"]["panelsJSON"])
    json.loads(attributes["kibanaSavedObjectMeta"]["searchSourceJSON"])


def _json(headers: Any, body: bytes) -> Any:
    if headers.get("Content-Type") != "application/json":
        raise RefusedError(415, "Unsupported Media Type")
    return json.loads(body)


def _checked(body: Any, kind: Any) -> Any:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise RefusedError(400, str(error)) from error


@contextmanager
def running_kibana(kibana: FakeKibana) -> Iterator[FakeKibana]:
    """Serve it on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            try:
                status, said = 200, kibana.answer(self.command, self.path, self.headers, body)
            except RefusedError as error:
                status, said = error.status, {"statusCode": error.status, "message": str(error)}
            content = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = _handle  # noqa: N815 - the base class looks for these names

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kibana.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield kibana
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
