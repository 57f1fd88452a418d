"""Whoever must not be reached hears not one packet, whatever an endpoint's URL and name are."""

from collections.abc import AsyncIterator, Iterator

import pytest
from aiohttp import InvalidURL

from adapters.webhooks.connections import post
from adapters.webhooks.guard import AddressRefused, Guard
from application.ports.webhook_sender import Answered
from tests.adapters.hostile_urls import NAMES, hostile_urls, url_of
from tests.adapters.webhook_receivers import Listener, Receiver, receiving
from tests.adapters.webhook_sending import ON_BOTH_LOOPS, a_request, problem_of, sending

pytestmark = [pytest.mark.anyio, ON_BOTH_LOOPS]


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with Listener().listening() as opened:
        yield opened


async def _names(name: str) -> tuple[str, ...]:
    return NAMES[name]


async def test_no_hostile_url_reaches_this_machine(listener: Listener) -> None:
    loopback, others = hostile_urls(listener.port)
    async with sending(allow_loopback=False, lookup=_names) as sender:
        for url in [*loopback, *others]:
            assert sender.refusal(url) is not None, url
            assert await problem_of(sender, url) == "address_refused", url
    assert await listener.hears_nobody()


async def test_no_name_of_a_hostile_address_reaches_this_machine(listener: Listener) -> None:
    async with sending(allow_loopback=False, lookup=_names) as sender:
        for name in NAMES:
            url = url_of(name, listener.port)
            assert sender.refusal(url) is None, name
            assert await problem_of(sender, url) == "address_refused", name
    assert await listener.hears_nobody()


async def test_where_loopback_is_allowed_nothing_else_is(listener: Listener) -> None:
    _, others = hostile_urls(listener.port)
    async with sending(allow_loopback=True, lookup=_names) as sender:
        for url in others:
            assert await problem_of(sender, url) == "address_refused", url
    assert await listener.hears_nobody()


async def test_the_listener_would_hear_who_is_let_through(listener: Listener) -> None:
    async with sending(allow_loopback=True, lookup=_names) as sender:
        for place in ("127.0.0.1", "localhost"):
            assert await problem_of(sender, f"http://{place}:{listener.port}/") == "unreachable"
        assert await problem_of(sender, url_of("loopback.example", listener.port)) != "x"
    assert listener.heard >= 3
    assert not await listener.hears_nobody()


async def test_a_redirect_to_this_machine_is_not_followed(listener: Listener) -> None:
    target = {"Location": f"http://127.0.0.1:{listener.port}/"}
    async with receiving(Receiver(status=307, headers=target)) as receiver, sending() as sender:
        answer = await sender.send(a_request(receiver.url))
    assert isinstance(answer, Answered)
    assert answer.status == 307
    assert await listener.hears_nobody()


async def test_a_name_is_looked_up_once_for_each_attempt(listener: Listener) -> None:
    answers: Iterator[str] = iter(["10.0.0.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"])
    asked = 0

    async def changing(name: str) -> list[str]:
        nonlocal asked
        asked += 1
        return [next(answers)]

    url = url_of("hooks.example", listener.port)
    async with sending(allow_loopback=True, lookup=changing) as sender:
        assert await problem_of(sender, url) == "address_refused"
        assert (asked, listener.heard) == (1, 0)
        # A second look-up in one attempt could say another thing than the first, which was judged.
        assert await problem_of(sender, url) in {"tls_failed", "unreachable"}
        assert (asked, listener.heard) == (2, 1)
        assert await problem_of(sender, url) in {"tls_failed", "unreachable"}
        assert (asked, listener.heard) == (3, 2)


async def test_an_address_that_was_good_is_judged_again(listener: Listener) -> None:
    answers = iter([["127.0.0.1"], ["127.0.0.1", "10.0.0.1"], ["169.254.169.254"]])

    async def changing(name: str) -> list[str]:
        return next(answers)

    url = url_of("hooks.example", listener.port)
    async with sending(allow_loopback=True, lookup=changing) as sender:
        assert await problem_of(sender, url) in {"tls_failed", "unreachable"}
        assert await problem_of(sender, url) == "address_refused"
        assert await problem_of(sender, url) == "address_refused"
    assert listener.heard == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "127.1"])
async def test_no_connection_begins_to_a_host_that_nobody_judged(
    listener: Listener, host: str
) -> None:
    url = f"http://{host}:{listener.port}/"
    guard = Guard(_names, allow_loopback=False)
    with pytest.raises((AddressRefused, InvalidURL)):
        await post(guard, url, content=b"{}", headers={}, tls=None)
    assert await listener.hears_nobody()
