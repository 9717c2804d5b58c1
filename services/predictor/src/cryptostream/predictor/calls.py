"""The bodies of the two routes, as BentoML's API methods receive them: unread.

BentoML would read a body on the event loop, by the reader that its content type names (forms among
them, whose fields it fetches if they hold a URL). Here each route takes one content type, and its
body is read on the scoring thread. The declared fields are what the API's description shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Self

from _bentoml_sdk import IODescriptor
from pydantic import ConfigDict, Field, PrivateAttr

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.predictor.validate import MAX_ROWS

if TYPE_CHECKING:
    from starlette.requests import Request

HASH_HEADER: Final = "features-hash"
JSON: Final = "application/json"
OCTETS: Final = "application/octet-stream"

_COLUMN: Final = {
    "type": "array",
    "items": {"type": "number"},
    "minItems": 1,
    "maxItems": MAX_ROWS,
}
FeaturesHash = Annotated[
    str,
    Field(
        description="Hash of the feature names, from the contracts.",
        json_schema_extra={"enum": [FEATURES_HASH]},
    ),
]
Columns = Annotated[
    dict[str, list[float]],
    Field(
        description=f"One list of numbers per feature, all of one length, 1 to {MAX_ROWS} rows.",
        examples=[{name: [0.0] for name in FEATURE_NAMES}],
        json_schema_extra={
            "properties": dict.fromkeys(FEATURE_NAMES, _COLUMN),
            "required": list(FEATURE_NAMES),
            "additionalProperties": False,
        },
    ),
]


class Body(IODescriptor):  # type: ignore[misc] # it is untyped
    """A request's body as it came, its content type and the feature list it claims."""

    takes: ClassVar[str]
    _content: bytes = PrivateAttr(b"")
    _content_type: str = PrivateAttr("")
    _features_hash: str = PrivateAttr("")

    @classmethod
    async def from_http_request(cls, request: Request, _serde: Any) -> Self:
        """Take the body without reading it; BentoML calls this in place of its own readers."""
        call: Self = cls.model_construct()
        content_type = request.headers.get("content-type", cls.takes)
        call._content_type = content_type.split(";")[0].strip().lower()
        call._features_hash = request.headers.get(HASH_HEADER, "")
        call._content = await request.body()
        return call

    @property
    def content(self) -> bytes:
        """Give the body."""
        return self._content

    @property
    def features_hash_header(self) -> str:
        """Give the header that names the feature list; empty if there is none."""
        return self._features_hash

    @property
    def foreign_type(self) -> str:
        """Give the content type if it isn't the route's."""
        return "" if self._content_type == self.takes else self._content_type


class ColumnsBody(Body):
    """The body of `/predict`."""

    model_config = ConfigDict(extra="forbid")
    takes = JSON
    features_hash: FeaturesHash
    columns: Columns


class RowsBody(Body):
    """The body of `/predict_raw`: bytes, which a schema can only call binary."""

    takes = OCTETS

    @classmethod
    def mime_type(cls) -> str:
        """Name the content type for the API's description."""
        return OCTETS

    @classmethod
    def model_json_schema(cls, *_: Any, **__: Any) -> dict[str, Any]:
        """Describe the body for the API's description."""
        text = f"rows of {FEATURE_COUNT} little-endian float32, 1 to {MAX_ROWS} of them"
        return {"type": "string", "format": "binary", "description": text}
