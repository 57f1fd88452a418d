"""Load: many connections that ask one thing after another, and a book of what was answered."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from tests.journeys.api import Api, an_order, client_of
from tests.journeys.raw import RawAnswer, RawConnection, post_order, request
from tests.journeys.server import HarborServer

LONGEST_SECONDS = 600.0
"""No load runs longer than this."""
GOOD = (200, 201)


def some_keys(count: int) -> list[str]:
    return [uuid4().hex for _ in range(count)]


class Line:
    """A connection to whichever server there is, opened when it is needed."""

    def __init__(self, servers: "Servers", number: int) -> None:
        self._servers = servers
        self._number = number
        self._connection: RawConnection | None = None

    async def ask(self, data: bytes) -> RawAnswer | None:
        """The answer; None when the connection broke before it was whole."""
        try:
            if self._connection is None:
                self._connection = await self._connect()
            await self._connection.send(data)
            answer = await self._connection.answer()
        except (OSError, EOFError, TimeoutError):
            self.drop()
            return None
        if answer.headers.get("connection") == "close":
            self.drop()
        return answer

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _connect(self) -> RawConnection:
        server = self._servers.of(self._number)
        return RawConnection(*await asyncio.open_connection("127.0.0.1", server.port))


class Servers:
    """Those that take the load; one that was killed may be replaced while it goes on."""

    def __init__(self, *servers: HarborServer) -> None:
        self.all = list(servers)

    def of(self, number: int) -> HarborServer:
        return self.all[number % len(self.all)]


@asynccontextmanager
async def lines(servers: Servers, count: int) -> AsyncIterator[Sequence[Line]]:
    opened = [Line(servers, number) for number in range(count)]
    try:
        yield opened
    finally:
        for line in opened:
            line.drop()


async def share_out(
    work: Iterable[bytes],
    workers: Sequence[Line],
    take: Callable[[bytes, RawAnswer | None], Awaitable[None] | None],
) -> None:
    """Ask all of `work`, in order, as many at once as there are lines."""
    rest = iter(work)

    async def serve(line: Line) -> None:
        for data in rest:
            taken = take(data, await line.ask(data))
            if taken is not None:
                await taken

    async with asyncio.timeout(LONGEST_SECONDS), asyncio.TaskGroup() as group:
        for line in workers:
            group.create_task(serve(line))


class Book:
    """What was answered to each idempotency key."""

    def __init__(self, api_key: str) -> None:
        self.api_key = api_key
        self.statuses: Counter[int | None] = Counter()
        self.made: Counter[str] = Counter()
        self.bodies: dict[str, set[bytes]] = defaultdict(set)
        self.keys: set[str] = set()

    def requests(self, keys: Iterable[str], **order: Any) -> list[bytes]:
        return [self.order(key, **order) for key in keys]

    def order(self, key: str, **order: Any) -> bytes:
        return post_order(self.api_key, key, an_order(description=f"with key {key}", **order))

    def note(self, data: bytes, answer: RawAnswer | None) -> None:
        key = key_of(data)
        status = None if answer is None else answer.status
        self.keys.add(key)
        self.statuses[status] += 1
        if answer is not None and status in GOOD:
            self.bodies[key].add(answer.body)
            self.made[key] += status == 201

    @property
    def acknowledged(self) -> Mapping[str, bytes]:
        """The one body of each key that had a 2xx. Fails when a key had two."""
        assert all(len(bodies) == 1 for bodies in self.bodies.values())
        return {key: next(iter(bodies)) for key, bodies in self.bodies.items()}

    def told(self) -> str:
        """For example "201: 1000, 200: 18999"."""
        return ", ".join(
            f"{'no answer' if status is None else status}: {count}"
            for status, count in sorted(self.statuses.items(), key=lambda each: str(each[0]))
        )


def key_of(data: bytes) -> str:
    return data.partition(b"Idempotency-Key: ")[2].partition(b"\r\n")[0].decode()


async def converge(book: Book, workers: Sequence[Line]) -> None:
    """Send every key again until each has a 2xx: at most 60 rounds, one a second after a 409 or
    503, as their Retry-After says."""
    for _ in range(60):
        await share_out(book.requests(_missing(book)), workers, book.note)
        if not _missing(book):
            return
        await asyncio.sleep(1)
    raise AssertionError(f"{len(_missing(book))} keys never had an answer")


def _missing(book: Book) -> list[str]:
    return sorted(book.keys - book.bodies.keys())


async def nothing_lost_nothing_doubled(book: Book, servers: Servers) -> int:
    """Each key has one order; each acknowledged order is there with the bytes that were sent; and
    there are no other orders. The number of orders."""
    acknowledged = book.acknowledged
    assert acknowledged.keys() == book.keys
    ids = {key: json.loads(body)["id"] for key, body in acknowledged.items()}
    assert len(set(ids.values())) == len(ids)
    async with client_of(servers.all[0]) as client:
        listed = await Api(client, book.api_key).walk("/v1/orders")
    assert len(listed) == len(ids)
    assert {order["id"] for order in listed} == set(ids.values())
    bearer = {"Authorization": f"Bearer {book.api_key}"}
    body_of = {ids[key]: body for key, body in acknowledged.items()}
    replays = Book(book.api_key)

    def compare(data: bytes, answer: RawAnswer | None) -> None:
        assert answer is not None
        assert answer.status == 200
        order_id = data.partition(b" HTTP")[0].rpartition(b"/")[2].decode()
        assert answer.body == body_of[order_id]

    async with lines(servers, 16) as workers:
        fetches = [request("GET", f"/v1/orders/{order_id}", bearer) for order_id in body_of]
        await share_out(fetches, workers, compare)
        await share_out(book.requests(acknowledged), workers, replays.note)
    assert replays.statuses == {200: len(acknowledged)}
    assert replays.acknowledged == acknowledged
    return len(listed)
