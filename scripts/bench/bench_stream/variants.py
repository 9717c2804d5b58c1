"""What a micro-batch is put through, variant by variant."""

from __future__ import annotations

import json
import urllib.request
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import Elasticsearch, helpers
from pyspark.sql import functions as F  # noqa: N812

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH
from cryptostream.contracts.indices import index_name, trade_id
from cryptostream.stream.bulk import BulkWriter
from cryptostream.stream.documents import trade_action
from cryptostream.stream.predictor import Prediction
from cryptostream.stream.records import read_records

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cryptostream.stream.documents import Action
    from cryptostream.stream.records import Record

#: What a plain document says of its prediction.
NONE: Final = Prediction(reason="not_asked")
_SCHEMA: Final = (
    "exchange string, category string, symbol string, trade_id string, price string, size string, "
    "side string, trade_time long, exchange_time long, ingest_time long, seq long, "
    "block_trade boolean, rpi boolean, origin string, shard string, v int"
)
_TIMEOUT_SECONDS: Final = 120


def plain_documents(records: list[Record]) -> list[Action]:
    """Render trades without features and predictions."""
    return [trade_action(record, None, NONE, stream_time=record.kafka_time) for record in records]


class ReadOnly:
    """Read and parse."""

    def process(self, batch: DataFrame, _batch_id: int) -> int:
        """Give the number of trades."""
        records, _ = read_records(batch.toArrow().to_pylist(), now_ms=0)
        return len(records)


class PlainIndex:
    """Read, parse, render and index, without any state."""

    def __init__(self, client: Elasticsearch) -> None:
        self._writer = BulkWriter(client)

    def process(self, batch: DataFrame, _batch_id: int) -> int:
        """Give the number of trades that are settled."""
        records, _ = read_records(batch.toArrow().to_pylist(), now_ms=0)
        self._writer.write(plain_documents(records))
        return len(records)


class Obvious:
    """As one would write it in an afternoon: pandas, JSON, the client's helpers.

    No candles and no state, so the model is asked about what one trade tells: the vector has as
    many columns as ours and costs the predictor as much.
    """

    def __init__(self, client: Elasticsearch, predictor: str) -> None:
        self._client = client
        self._predictor = f"{predictor}/predict"

    def process(self, batch: DataFrame, _batch_id: int) -> int:
        """Give the number of trades that were indexed."""
        parsed = batch.select(
            F.from_json(F.col("value").cast("string"), _SCHEMA).alias("trade"), "kafka_time"
        ).select("trade.*", "kafka_time")
        frame = parsed.toPandas()
        if frame.empty:
            return 0
        frame["price"], frame["size"] = frame["price"].astype(float), frame["size"].astype(float)
        frame["notional"] = frame["price"] * frame["size"]
        records = frame.to_dict("records")
        scores = self._scores(records)
        helpers.bulk(self._client, (_document(*pair) for pair in zip(records, scores, strict=True)))
        return len(records)

    def _scores(self, records: list[dict[str, Any]]) -> list[float]:
        known = ("price", "size", "notional")
        rows = [[row[name] for name in known] + [0.0] * (len(FEATURE_NAMES) - 3) for row in records]
        scores: list[float] = []
        for start in range(0, len(rows), 10_000):
            part = rows[start : start + 10_000]
            columns = {name: [row[at] for row in part] for at, name in enumerate(FEATURE_NAMES)}
            body = json.dumps({"features_hash": FEATURES_HASH, "columns": columns}).encode()
            headers = {"content-type": "application/json"}
            asked = urllib.request.Request(self._predictor, body, headers)  # noqa: S310 - ours
            with urllib.request.urlopen(asked, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310
                scores += json.load(answer)["p_up"]
        return scores


def _document(row: dict[str, Any], score: float) -> dict[str, Any]:
    identity = trade_id(row["exchange"], row["category"], row["symbol"], row["trade_id"])
    direction = "up" if score >= 0.5 else "down"  # noqa: PLR2004 - even odds
    return {
        "_index": index_name("trades", row["trade_time"]),
        "_id": identity,
        "_source": row | {"prediction": {"p_up": score, "direction": direction}},
    }
