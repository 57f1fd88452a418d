"""A whole answer is one write; what is not whole waits for nothing."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message
from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from entrypoints.http.one_write import OneWrite

pytestmark = pytest.mark.anyio

BODY = b"four"
TWO = ((b"content-length", b"4"), (b"set-cookie", b"d"))


class Wire:
    """A cycle of uvicorn with nothing behind it."""

    def __init__(self, method: str = "GET", *, one_write: bool = True) -> None:
        self.writes: list[bytes] = []
        self.closed = False
        transport: Any = SimpleNamespace(write=self.writes.append, close=self._close)
        nothing: Any = SimpleNamespace(write_paused=False)
        cycle: Any = RequestResponseCycle(
            scope={"method": method},  # type: ignore[typeddict-item]
            transport=transport,
            flow=nothing,
            logger=nothing,
            access_logger=nothing,
            access_log=False,
            default_headers=[(b"date", b"today")],
            message_event=asyncio.Event(),
            expect_100_continue=False,
            keep_alive=True,
            on_response=lambda: None,
        )
        if one_write:
            cycle.__class__ = OneWrite
        self.cycle = cycle

    def _close(self) -> None:
        self.closed = True

    async def send(self, message: Message) -> None:
        await self.cycle.send(message)


def _head(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def _body(body: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more}


async def test_a_whole_answer_is_one_write() -> None:
    wire = Wire()
    await wire.send(_head((b"content-length", b"4"), (b"x", b"y")))
    assert wire.writes == []
    await wire.send(_body(BODY))
    assert wire.writes == [
        b"HTTP/1.1 200 OK\r\ndate: today\r\ncontent-length: 4\r\nx: y\r\n\r\nfour"
    ]
    assert wire.cycle.response_complete


async def test_the_head_of_a_stream_waits_for_nothing() -> None:
    wire = Wire()
    await wire.send(_head((b"x", b"y")))
    assert b"".join(wire.writes).endswith(b"transfer-encoding: chunked\r\n\r\n")
    await wire.send(_body(BODY, more=True))
    await wire.send(_body(b""))
    assert wire.cycle.response_complete


@pytest.mark.parametrize(
    "header",
    [
        (b"x", b"y"),
        (b"set-cookie", b"c"),
        (b"connection", b"keep-alive"),
        (b"content-length", b"4"),
    ],
)
async def test_what_uvicorn_would_send_is_sent(header: tuple[bytes, bytes]) -> None:
    """Though it may take two writes."""
    await _same_as_uvicorn([_head(*TWO, header), _body(BODY)])


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("body", [b"", BODY])
async def test_a_status_without_a_body_is_sent_as_uvicorn_would(status: int, body: bytes) -> None:
    length = (b"content-length", b"%d" % len(body))
    await _same_as_uvicorn([_head(length, status=status), _body(body)])


async def test_the_pieces_of_a_known_length_are_sent_as_uvicorn_would() -> None:
    await _same_as_uvicorn([_head(*TWO), _body(BODY[:1], more=True), _body(BODY[1:])])


async def test_a_connection_that_ends_is_closed_as_uvicorn_would() -> None:
    await _same_as_uvicorn([_head(*TWO), _body(BODY)], keep_alive=False)


async def test_nothing_is_sent_to_who_has_left() -> None:
    await _same_as_uvicorn([_head(*TWO), _body(BODY)], disconnected=True)


async def test_an_answer_is_sent_once() -> None:
    for wire in (Wire(), Wire(one_write=False)):
        await wire.send(_head(*TWO))
        await wire.send(_body(BODY))
        with pytest.raises(RuntimeError, match="already completed"):
            await wire.send(_head(*TWO))


async def _same_as_uvicorn(messages: list[Message], **state: object) -> None:
    ours, uvicorns = Wire(), Wire(one_write=False)
    for wire in (ours, uvicorns):
        vars(wire.cycle).update(state)
        for message in messages:
            await wire.send(message)
    assert b"".join(ours.writes) == b"".join(uvicorns.writes)
    assert ours.cycle.response_complete == uvicorns.cycle.response_complete
    assert ours.closed == uvicorns.closed


async def test_the_answer_to_head_has_no_body() -> None:
    wire = Wire("HEAD")
    await wire.send(_head((b"content-length", b"4")))
    await wire.send(_body(b""))
    assert b"".join(wire.writes).endswith(b"content-length: 4\r\n\r\n")


@pytest.mark.parametrize("body", [b"", b"fo", b"fours"])
async def test_another_length_than_was_said_is_a_mistake(body: bytes) -> None:
    wire = Wire()
    await wire.send(_head((b"content-length", b"4")))
    with pytest.raises(RuntimeError, match="Content-Length"):
        await wire.send(_body(body))


@pytest.mark.parametrize("value", [b"a\r\nx: y", b"a\ny", b"a\ry"])
async def test_a_header_cannot_begin_another(value: bytes) -> None:
    wire = Wire()
    await wire.send(_head((b"content-length", b"4"), (b"location", value)))
    with pytest.raises(RuntimeError, match="header value"):
        await wire.send(_body(BODY))
    assert wire.writes == []


async def test_a_mistake_before_the_body_can_still_be_told() -> None:
    wire = Wire()
    await wire.send(_head((b"content-length", b"4")))
    await wire.cycle.send_500_response()
    assert b"".join(wire.writes).startswith(b"HTTP/1.1 500 ")
