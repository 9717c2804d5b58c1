"""Trade messages and the WebSocket frames around them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.simulator.frames import text_frame, trade_messages
from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.tape import BUY, SELL, Order

RECORDED = (
    '{"topic":"publicTrade.BTCUSDT","ts":1791457528952,"type":"snapshot","data":['
    '{"i":"2290000001227213949","T":1791457528951,"p":"82680","v":"0.001185","S":"Buy",'
    '"seq":115115351336,"s":"BTCUSDT","BT":false,"RPI":false}]}'
)


def messages(count: int) -> list[dict[str, object]]:
    """Render an order of so many fills and read the messages back."""
    order = Order(
        time_ms=10,
        seq=7,
        side=SELL,
        ids=list(range(1000, 1000 + count)),
        prices=[826_805] * count,
        sizes=[10_000] * count,
        rpi=[at % 2 == 1 for at in range(count)],
    )
    texts = trade_messages(UNIVERSE[0], order, 12)
    return [json.loads(text) for text in texts]


def test_a_message_equals_a_recorded_one() -> None:
    """Keys, their order and types are those of a frame recorded from the exchange."""
    order = Order(
        time_ms=1791457528951,
        seq=115115351336,
        side=BUY,
        ids=[2290000001227213949],
        prices=[826_800],
        sizes=[1_185],
        rpi=[False],
    )
    rendered = trade_messages(UNIVERSE[0], order, 1791457528952)
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


@settings(deadline=None)
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
