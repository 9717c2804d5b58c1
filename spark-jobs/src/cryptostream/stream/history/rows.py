"""The columns that every source gives, and the order in which a symbol's trades are replayed."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

#: Those of `replay.Row`; the first eight are the order.
SPARK_SCHEMA: Final = (
    "exchange string, category string, symbol string, trade_time long, seq long, partition int, "
    "offset long, trade_id string, price double, size double, side int"
)
COLUMNS: Final = tuple(column.split()[0] for column in SPARK_SCHEMA.split(", "))
INSTRUMENT: Final = COLUMNS[:3]
ORDER: Final = COLUMNS[:8]
_ARROW: Final = {
    "string": pa.string(),
    "long": pa.int64(),
    "int": pa.int32(),
    "double": pa.float64(),
}
ARROW_SCHEMA: Final = pa.schema(
    [(name, _ARROW[kind]) for name, kind in map(str.split, SPARK_SCHEMA.split(", "))]
)
