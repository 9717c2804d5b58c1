"""Trade messages and the WebSocket frames around them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.simulator.frames import Fill, text_frame, trade_messages
from cryptostream.simulator.tape import BUY, SELL

RECORDED = (
    '{"topic":"publicTrade.BTCUSDT","ts":1791457528952,"type":"snapshot","data":['
    '{"i":"2290000001227213949","T":1791457528951,"p":"82680","v":"0.001185","S":"Buy",'
    '"seq":115115351336,"s":"BTCUSDT","BT":false,"RPI":false}]}'
)


def messages(count: int) -> list[dict[str, object]]:
    """Render an order of so many fills and read the messages back."""
    fills = [Fill(1000 + at, "82680.5", "0.01", rpi=at % 2 == 1) for at in range(count)]
    texts = trade_messages("BTCUSDT", time_ms=10, push_ms=12, side=SELL, seq=7, fills=fills)
    return [json.loads(text) for text in texts]


def test_a_message_equals_a_recorded_one() -> None:
    """Keys, their order and types are those of a frame recorded from the exchange."""
    fill = Fill(2290000001227213949, "82680", "0.001185", rpi=False)
    rendered = trade_messages(
        "BTCUSDT",
        time_ms=1791457528951,
        push_ms=1791457528952,
        side=BUY,
        seq=115115351336,
        fills=[fill],
    )
    assert rendered == [RECORDED]


@pytest.mark.parametrize(
    ("count", "sizes"), [(1, [1]), (1024, [1024]), (1025, [1024, 1]), (3000, [1024, 1024, 952])]
)
def test_a_message_holds_at_most_1024_trades(count: int, sizes: list[int]) -> None:
    """A bigger match is split; all parts have the same seq and no trade is lost."""
    parts = messages(count)
    rows = [part["data"] for part in parts]
    assert [len(data) for data in rows] == sizes
    trades = [trade for data in rows for trade in data]
    assert [int(trade["i"]) for trade in trades] == list(range(1000, 1000 + count))
    assert {trade["seq"] for trade in trades} == {7}


def test_a_sale_and_rpi_are_told() -> None:
    """The taker's side and each fill's RPI flag reach the message."""
    data = messages(2)[0]["data"]
    assert [(trade["S"], trade["RPI"]) for trade in data] == [("Sell", False), ("Sell", True)]


@given(st.sampled_from([0, 1, 125, 126, 127, 65_535, 65_536, 200_000]))
def test_a_frame_declares_its_length(size: int) -> None:
    """Each of the three length forms is used where RFC 6455 asks for it, unmasked."""
    frame = text_frame(b"x" * size)
    assert frame[0] == 0x81
    if size < 126:
        assert (frame[1], len(frame)) == (size, size + 2)
    elif size < 65_536:
        assert (frame[1], int.from_bytes(frame[2:4], "big")) == (126, size)
    else:
        assert (frame[1], int.from_bytes(frame[2:10], "big")) == (127, size)
    assert frame.endswith(b"x" * size)
