"""Kibana: its data views and dashboards, put in place through its HTTP API.

Idempotent: every object has a fixed id and is replaced whole, so a second run changes nothing.
Dashboards go through the Dashboards API of Kibana 9.5; what that API can't hold (Vega) goes
through the import of saved objects.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
import urllib.error
import urllib.request
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pydantic import Field, SecretStr

from cryptostream.cli.errors import CliError
from cryptostream.contracts.settings import PemFile, ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

DATA_VIEWS_FILE: Final = "data-views.json"
SAVED_OBJECTS_SUFFIX: Final = ".saved-objects.json"
ANSWER_SECONDS: Final = 30
RETRY_SECONDS: Final = 3.0
#: What an answer of Kibana may weigh; errors are quoted from its start.
MAX_ANSWER_BYTES: Final = 1024 * 1024
#: Kibana that starts, is overloaded or sits behind a proxy that does not reach it yet.
_TRANSIENT: Final = frozenset({408, 429, 500, 502, 503, 504})


class KibanaSettings(ServiceSettings):
    """How to reach Kibana, and where the dashboards' files are."""

    url: str = Field(
        default="http://127.0.0.1:5601", validation_alias="KIBANA_URL", pattern=r"^https?://"
    )
    username: str = Field(default="", validation_alias="KIBANA_USERNAME")
    password: SecretStr = Field(default=SecretStr(""), validation_alias="KIBANA_PASSWORD")
    ca_certs: PemFile = Field(default="", validation_alias="KIBANA_CA_CERTS")
    dashboards: Path = Field(
        default=Path("charts/cryptostream/dashboards/kibana"), validation_alias="KIBANA_DASHBOARDS"
    )
    wait_seconds: float = Field(default=300.0, validation_alias="KIBANA_WAIT_SECONDS", gt=0)


@dataclass(frozen=True)
class Step:
    """One request: what it puts in place, and how."""

    name: str
    method: str
    path: str
    body: bytes
    content_type: str = "application/json"


def steps(directory: Path) -> list[Step]:
    """Read the files into requests, data views first; raises `CliError`."""
    names = sorted(directory.glob("*.json"))
    if not names:
        raise CliError(
            f"There are no dashboards in {directory}", "Correct KIBANA_DASHBOARDS."
        ) from None
    views = [name for name in names if name.name == DATA_VIEWS_FILE]
    saved = [name for name in names if name.name.endswith(SAVED_OBJECTS_SUFFIX)]
    pages = [name for name in names if name not in {*views, *saved}]
    return [
        *(_data_view(view) for name in views for view in _read(name)),
        *(_dashboard(name.stem, _read(name)) for name in pages),
        *(_saved_objects(name.name, _read(name)) for name in saved),
    ]


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CliError(f"{path} can't be used: {error}", "Write the dashboards anew.") from error


def _data_view(view: dict[str, Any]) -> Step:
    body = {"data_view": view, "override": True}
    return Step(view["id"], "POST", "/api/data_views/data_view", json.dumps(body).encode())


def _dashboard(identity: str, body: dict[str, Any]) -> Step:
    return Step(identity, "PUT", f"/api/dashboards/{identity}", json.dumps(body).encode())


def _saved_objects(name: str, objects: list[dict[str, Any]]) -> Step:
    lines = "\n".join(json.dumps(encoded(one)) for one in objects) + "\n"
    boundary = uuid.uuid5(uuid.NAMESPACE_URL, lines).hex
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="objects.ndjson"'
        "\r\nContent-Type: application/ndjson\r\n\r\n"
    )
    return Step(
        name,
        "POST",
        "/api/saved_objects/_import?overwrite=true",
        f"{head}{lines}\r\n--{boundary}--\r\n".encode(),
        f"multipart/form-data; boundary={boundary}",
    )


def encoded(value: Any, name: str = "") -> Any:
    """Turn what the files hold decoded into strings: names that end in `JSON`, and `spec`."""
    if isinstance(value, dict):
        value = {key: encoded(inner, key) for key, inner in value.items()}
    elif isinstance(value, list):
        value = [encoded(inner) for inner in value]
    if name == "spec":
        return json.dumps(value, indent=2)
    return json.dumps(value) if name.endswith("JSON") else value


class Kibana:
    """A client of the three requests that are needed; every wait is bounded."""

    def __init__(
        self,
        settings: KibanaSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._sleep = sleep
        self._clock = clock
        self._deadline = clock() + settings.wait_seconds
        self._tls = (
            ssl.create_default_context(cafile=settings.ca_certs or None)
            if settings.url.startswith("https")
            else None
        )

    def apply(self, step: Step) -> None:
        """Send a request until it is taken; raises `CliError` when refused or out of time."""
        while True:
            trouble = self._try(step)
            if not trouble:
                return
            if self._clock() + RETRY_SECONDS >= self._deadline:
                raise CliError(
                    f"Kibana at {self._settings.url} did not take {step.name} within "
                    f"{self._settings.wait_seconds:g} s: {trouble}",
                    "Look at its log, or correct KIBANA_URL or KIBANA_CA_CERTS.",
                )
            self._sleep(RETRY_SECONDS)

    def _try(self, step: Step) -> str:
        """Send once; give the trouble if trying again may help, raise if not."""
        try:
            with urllib.request.urlopen(  # noqa: S310 - the settings allow http and https only
                self._request(step), timeout=ANSWER_SECONDS, context=self._tls
            ) as answer:
                self._check(step, answer.read(MAX_ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            said = error.read(MAX_ANSWER_BYTES).decode(errors="replace")[:500]
            if error.code in _TRANSIENT:
                return f"{error.code} {said}"
            raise _refused(step, f"{error.code} {said}", error.code) from error
        except (OSError, http.client.HTTPException) as error:
            return str(error) or type(error).__name__
        return ""

    def _request(self, step: Step) -> urllib.request.Request:
        settings = self._settings
        headers = {"kbn-xsrf": "cryptostream", "Content-Type": step.content_type}
        if settings.username:
            login = f"{settings.username}:{settings.password.get_secret_value()}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(login).decode()}"
        return urllib.request.Request(  # noqa: S310 - the settings allow http and https only
            settings.url.rstrip("/") + step.path, step.body, headers, method=step.method
        )

    @staticmethod
    def _check(step: Step, raw: bytes) -> None:
        """Look into a good answer: an import says 200 even if it failed."""
        try:
            answer = json.loads(raw or b"{}")
        except ValueError as error:
            raise _refused(step, f"no JSON came back: {raw[:200]!r}", 0) from error
        if answer.get("success") is False or answer.get("warnings"):
            raise _refused(step, str(answer)[:500], 0)


def _refused(step: Step, why: str, status: int) -> CliError:
    remedy = (
        "Correct KIBANA_USERNAME and KIBANA_PASSWORD; the user needs all rights on Kibana's "
        "dashboards, data views and saved objects."
        if status in {401, 403}
        else "The dashboards need Kibana 9.5 or newer."
    )
    return CliError(f"Kibana refused {step.name}: {why}", remedy)


def put_dashboards(settings: KibanaSettings) -> list[str]:
    """Put every data view and dashboard in place and give their names; raises `CliError`."""
    todo = steps(settings.dashboards)
    kibana = Kibana(settings)
    for step in todo:
        kibana.apply(step)
    return [step.name for step in todo]
