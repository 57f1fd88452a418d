"""Webhooks over real HTTP: what a receiver gets, and what is made of its answer."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from adapters.webhooks.sender import HttpWebhookSender
from application.ports.webhook_sender import Answered, Unanswered
from tests.adapters.webhook_receivers import Receiver, answering, raw_server, receiving
from tests.adapters.webhook_sending import (
    BODY,
    NEW,
    OLD,
    ON_BOTH_LOOPS,
    WRONG,
    a_request,
    problem_of,
    sending,
)

pytestmark = [pytest.mark.anyio, ON_BOTH_LOOPS]


@pytest.fixture
async def sender() -> AsyncIterator[HttpWebhookSender]:
    async with sending() as opened:
        yield opened


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as opened:
        yield opened


def accepts(secret: str, headers: dict[str, str], body: bytes) -> bool:
    """Whether a receiver that uses the reference library would believe it."""
    try:
        Webhook(secret).verify(body, headers)
    except WebhookVerificationError:
        return False
    return True


# What the receiver gets.


async def test_the_reference_library_verifies_what_was_sent(
    sender: HttpWebhookSender, receiver: Receiver
) -> None:
    answer = await sender.send(a_request(receiver.url + "/hooks?a=%20b"))
    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt, answer.retry_after) == (204, "", None)
    [(headers, body)] = receiver.received
    assert body == BODY
    assert receiver.paths == ["/hooks?a=%20b"]
    assert accepts(NEW, headers, body)
    assert not accepts(WRONG, headers, body)


async def test_nothing_of_it_can_be_changed(sender: HttpWebhookSender, receiver: Receiver) -> None:
    await sender.send(a_request(receiver.url))
    [(headers, body)] = receiver.received
    earlier = str(int(headers["webhook-timestamp"]) - 1)
    assert not accepts(NEW, headers, body.replace(b"1999", b"1998"))
    assert not accepts(NEW, headers, body + b" ")
    assert not accepts(NEW, {**headers, "webhook-timestamp": earlier}, body)
    assert not accepts(NEW, {**headers, "webhook-id": "another"}, body)


@pytest.mark.parametrize("minutes", [-6, 6])
async def test_a_signature_does_not_last(
    sender: HttpWebhookSender, receiver: Receiver, minutes: int
) -> None:
    sent_at = datetime.now(UTC) + timedelta(minutes=minutes)
    await sender.send(a_request(receiver.url, sent_at=sent_at))
    [(headers, body)] = receiver.received
    assert headers["webhook-timestamp"] == str(int(sent_at.timestamp()))
    assert not accepts(NEW, headers, body)


async def test_both_secrets_of_a_rotation_are_accepted(
    sender: HttpWebhookSender, receiver: Receiver
) -> None:
    await sender.send(a_request(receiver.url, secrets=(NEW, OLD)))
    [(headers, body)] = receiver.received
    assert accepts(NEW, headers, body)
    assert accepts(OLD, headers, body)
    assert not accepts(WRONG, headers, body)


async def test_the_headers_are_these_and_no_others(
    sender: HttpWebhookSender, receiver: Receiver
) -> None:
    await sender.send(a_request(receiver.url))
    [(headers, _)] = receiver.received
    del headers["webhook-signature"], headers["webhook-timestamp"]
    assert headers == {
        "host": receiver.url.removeprefix("http://"),
        "accept": "*/*",
        "accept-encoding": "identity",
        "connection": "close",
        "content-length": str(len(BODY)),
        "content-type": "application/json",
        "user-agent": "harbor-webhooks/1",
        "webhook-id": "0199a2b4-0000-7000-8000-000000000001",
    }


async def test_what_the_caller_signed_is_sent_as_it_is(
    sender: HttpWebhookSender, receiver: Receiver
) -> None:
    await sender.send(a_request(receiver.url))
    [(sent, _)] = receiver.received
    own = {name: "x" for name in sent if name.startswith("webhook-")} | {"webhook-signature": ""}
    answer = await sender.post(receiver.url, own, b"tampered")
    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (204, "")
    headers, body = receiver.received[1]
    assert body == b"tampered"
    assert headers == sent | own | {"content-length": str(len(body))}


async def test_what_the_caller_signed_goes_nowhere_else_either(sender: HttpWebhookSender) -> None:
    outcome = await sender.post("http://10.0.0.1/", {}, b"")
    assert isinstance(outcome, Unanswered)
    assert outcome.problem == "address_refused"


async def test_each_attempt_has_a_connection_of_its_own(
    sender: HttpWebhookSender, receiver: Receiver
) -> None:
    for _ in range(3):
        await sender.send(a_request(receiver.url))
    assert len(receiver.received) == len(receiver.callers) == 3


async def test_no_cookie_is_kept(sender: HttpWebhookSender) -> None:
    async with receiving(Receiver(headers={"Set-Cookie": "a=b; Path=/"})) as receiver:
        for _ in range(2):
            await sender.send(a_request(receiver.url))
    assert len(receiver.received) == 2
    assert not any("cookie" in headers for headers, _ in receiver.received)


async def test_no_proxy_of_the_environment_is_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with receiving(Receiver()) as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.lower(), proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        async with sending() as sender:
            assert isinstance(await sender.send(a_request(receiver.url)), Answered)
            closed = await sender.send(a_request("https://hooks.localhost:1/"))
    assert isinstance(closed, Unanswered)
    assert len(receiver.received) == 1
    assert proxy.received == []


# What is made of its answer.


@pytest.mark.parametrize("status", [200, 301, 302, 307, 308, 400, 410, 429, 500, 503, 599])
async def test_any_status_is_an_answer_and_a_redirect_is_not_followed(
    sender: HttpWebhookSender, receiver: Receiver, status: int
) -> None:
    elsewhere = {"Location": receiver.url, "Retry-After": "7"}
    async with receiving(Receiver(status=status, headers=elsewhere, body=b"Hi")) as first:
        answer = await sender.send(a_request(first.url))
    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (status, "Hi")
    assert answer.retry_after == timedelta(seconds=7)
    assert timedelta(0) < answer.latency < timedelta(seconds=5)
    assert receiver.received == []


async def test_a_receiver_that_shows_what_it_was_sent_shows_no_secret(
    sender: HttpWebhookSender,
) -> None:
    seen: list[str] = []

    async def mirror(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head.decode())
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n" + head + f"{NEW} {OLD[6:]}".encode())
        await writer.drain()

    async with raw_server(mirror) as port:
        answer = await sender.send(a_request(f"http://127.0.0.1:{port}/", secrets=(NEW, OLD)))
    assert isinstance(answer, Answered)
    signatures = seen[0].partition("webhook-signature: ")[2].split()[:2]
    assert "webhook-signature: [removed] [removed]\n" in answer.excerpt
    assert answer.excerpt.endswith("[removed] [removed]")
    for hidden in (NEW, OLD, *signatures):
        assert hidden[10:30] not in answer.excerpt


async def test_an_endless_answer_is_read_to_64_kb_and_cut_off(sender: HttpWebhookSender) -> None:
    sent = 0

    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"a" * 16_384)
            await writer.drain()
            sent += 16_384

    # The server ends only because the connection is closed.
    async with raw_server(endless) as port:
        answer = await sender.send(a_request(f"http://127.0.0.1:{port}/"))
    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (200, "a" * 2_048)
    # What fits between here and there: our buffers and the kernel's.
    assert sent < 16_000_000


async def test_a_compressed_answer_is_not_unpacked(sender: HttpWebhookSender) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    packed = Receiver(status=200, headers={"Content-Encoding": "gzip"}, body=bomb)
    async with receiving(packed) as receiver:
        answer = await sender.send(a_request(receiver.url))
    assert isinstance(answer, Answered)
    assert answer.status == 200
    assert answer.excerpt.startswith("\ufffd")
    assert "00000" not in answer.excerpt


async def test_an_answer_before_the_body_was_read_is_an_answer(sender: HttpWebhookSender) -> None:
    early = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"
    async with raw_server(answering(early)) as port:
        answer = await sender.send(a_request(f"http://127.0.0.1:{port}/", body=b"x" * 500_000))
    # Whether the answer or the end of the connection is noticed first is the network's choice.
    assert answer.latency < timedelta(seconds=5)
    assert isinstance(answer, Unanswered) or answer.status == 413


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 70_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(1_000)) + b"\r\n",
    ],
    ids=lambda answer: repr(answer[:40]),
)
async def test_what_is_no_whole_answer_is_unreadable(
    sender: HttpWebhookSender, answer: bytes
) -> None:
    async with raw_server(answering(answer)) as port:
        assert await problem_of(sender, f"http://127.0.0.1:{port}/") == "unreadable"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\nX: half"])
async def test_a_connection_that_breaks_before_the_answer_is_unreachable(
    sender: HttpWebhookSender, answer: bytes
) -> None:
    async with raw_server(answering(answer)) as port:
        assert await problem_of(sender, f"http://127.0.0.1:{port}/") == "unreachable"
