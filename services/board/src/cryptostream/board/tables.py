"""Documents as a table in a file: CSV or Parquet, a page at a time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = list[dict[str, Any]]
#: Columns that hold text or times; all others are numbers.
_TEXT: Final = frozenset(
    {"exchange", "category", "symbol", "interval", "trade_id", "side", "prediction.direction",
     "prediction.model", "prediction.reason"}
)  # fmt: skip
_WHOLE: Final = frozenset(
    {"start", "trades", "seq", "trade_time", "exchange_time", "ingest_time", "kafka_time",
     "stream_time"}
)  # fmt: skip
_FLAGS: Final = frozenset({"prediction.no_edge"})
#: What a spreadsheet would run as a formula if a cell began with it.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


class Table(Protocol):
    """Renders pages of rows; what comes out, joined, is the file."""

    media_type: str

    def page(self, rows: Rows) -> bytes:
        """Render a page."""

    def end(self) -> bytes:
        """Render what ends the file."""


def cell(document: dict[str, Any], column: str) -> Any:
    """Give a column of a document; a dot leads into an object. None if it is not there."""
    value: Any = document
    for name in column.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


class Csv:
    """Comma-separated values with a header line; times are epoch milliseconds."""

    media_type = "text/csv; charset=utf-8"

    def __init__(self, columns: Sequence[str]) -> None:
        self._columns = columns
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._writer.writerow(columns)

    def page(self, rows: Rows) -> bytes:
        """Render a page."""
        for row in rows:
            self._writer.writerow([_harmless(cell(row, column)) for column in self._columns])
        return self._drain()

    def end(self) -> bytes:
        """Render the header, if there was no page."""
        return self._drain()

    def _drain(self) -> bytes:
        text = self._text.getvalue()
        self._text.seek(0)
        self._text.truncate()
        return text.encode()


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


class Parquet:
    """Parquet with zstd; times are epoch milliseconds as 64-bit integers."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, columns: Sequence[str]) -> None:
        # Costs 60 MB of memory, so only who exports pays.
        import pyarrow as pa  # noqa: PLC0415
        from pyarrow import parquet  # noqa: PLC0415

        self._table = pa.Table
        self._columns = columns
        self._schema = pa.schema([(name, _arrow_type(pa, name)) for name in columns])
        self._bytes = _Drained()
        self._writer = parquet.ParquetWriter(
            pa.PythonFile(self._bytes, mode="w"), self._schema, compression="zstd"
        )

    def page(self, rows: Rows) -> bytes:
        """Render a page as one row group."""
        columns = {name: [_plain(cell(row, name), name) for row in rows] for name in self._columns}
        self._writer.write_table(self._table.from_pydict(columns, schema=self._schema))
        return self._bytes.drain()

    def end(self) -> bytes:
        """Render the footer."""
        self._writer.close()
        return self._bytes.drain()


def _arrow_type(pa: Any, name: str) -> Any:
    if name in _TEXT:
        return pa.string()
    if name in _FLAGS:
        return pa.bool_()
    return pa.int64() if name in _WHOLE else pa.float64()


def _plain(value: Any, name: str) -> Any:
    return float(value) if isinstance(value, int) and name not in _WHOLE | _FLAGS else value


class _Drained(io.RawIOBase):
    """A file that only grows, and forgets what was taken from it."""

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def drain(self) -> bytes:
        """Give what was written since the last call."""
        joined = b"".join(self._parts)
        self._parts.clear()
        return joined


FORMATS: Final[dict[str, type[Csv | Parquet]]] = {"csv": Csv, "parquet": Parquet}
