"""Names that nobody answers for must not keep others from being looked up."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from adapters.webhooks.lookup import SystemLookup

pytestmark = pytest.mark.anyio


class Resolver:
    """Answers at once but for names that begin with "dead", until it is told to."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.reached = threading.Event()
        self.answer = threading.Event()

    def __call__(self, name: str) -> list[str]:
        self.asked[name] += 1
        if name.startswith("dead"):
            self.reached.set()
            self.answer.wait()
            raise OSError("nobody")
        return ["192.0.2.1"]


@pytest.fixture
def resolver() -> Iterator[Resolver]:
    made = Resolver()
    yield made
    made.answer.set()


async def test_a_name_that_nobody_answers_for_takes_one_thread(resolver: Resolver) -> None:
    lookup = SystemLookup(2, resolver)
    for _ in range(20):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.005):
                await lookup("dead.example")
    async with asyncio.timeout(5):
        assert await lookup("alive.example") == ["192.0.2.1"]
    assert resolver.asked["dead.example"] == 1
    lookup.close()


async def test_who_asks_at_once_hears_the_same_and_who_asks_later_asks_anew(
    resolver: Resolver,
) -> None:
    lookup = SystemLookup(2, resolver)
    asking = [asyncio.create_task(lookup("dead.example")) for _ in range(3)]
    assert await asyncio.to_thread(resolver.reached.wait, 5)
    asking[0].cancel()
    resolver.answer.set()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in ended] == [asyncio.CancelledError, OSError, OSError]
    with pytest.raises(OSError, match="nobody"):
        await lookup("dead.example")
    assert resolver.asked["dead.example"] == 2
    lookup.close()
