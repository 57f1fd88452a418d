"""Receivers that are slow, gone, or not who they say: a word for each, in time, and no trace."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from datetime import timedelta

import pytest

from application.ports.webhook_sender import Answered, Unanswered
from tests.adapters.webhook_receivers import (
    Certificate,
    Handler,
    answering,
    raw_server,
    self_signed,
)
from tests.adapters.webhook_sending import BODY, NEW, ON_BOTH_LOOPS, a_request, problem_of, sending
from tests.support.server import free_port

pytestmark = [pytest.mark.anyio, ON_BOTH_LOOPS]

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NAME = "hooks.example"


async def _here(name: str) -> Sequence[str]:
    return ["127.0.0.1"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return self_signed(tmp_path_factory.mktemp("certificate"), [NAME, "127.0.0.1"])


# TLS.


@pytest.mark.parametrize("host", [NAME, "127.0.0.1"])
async def test_a_trusted_certificate_for_the_host_is_accepted(
    certificate: Certificate, host: str
) -> None:
    async with (
        raw_server(answering(OK), certificate.server) as port,
        sending(lookup=_here, tls=certificate.trusting) as sender,
    ):
        answer = await sender.send(a_request(f"https://{host}:{port}/"))
    assert isinstance(answer, Answered)
    assert (answer.status, answer.excerpt) == (200, "ok")


async def test_a_certificate_that_nobody_trusts_is_refused(certificate: Certificate) -> None:
    async with (
        raw_server(answering(OK), certificate.server) as port,
        sending(lookup=_here) as sender,
    ):
        assert await problem_of(sender, f"https://{NAME}:{port}/") == "tls_failed"


def _here_is(host: str) -> str:
    """Where a host of these tests leads to."""
    return host if host == "127.0.0.2" else "127.0.0.1"


@pytest.mark.parametrize("host", ["other.example", "localhost", "127.0.0.2"])
async def test_a_certificate_for_somebody_else_is_refused(
    certificate: Certificate, host: str
) -> None:
    async with (
        raw_server(answering(OK), certificate.server, host=_here_is(host)) as port,
        sending(lookup=_here, tls=certificate.trusting) as sender,
    ):
        assert await problem_of(sender, f"https://{host}:{port}/") == "tls_failed"


async def test_a_server_that_speaks_no_tls_is_refused() -> None:
    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()

    async with raw_server(plain) as port, sending(lookup=_here) as sender:
        assert await problem_of(sender, f"https://{NAME}:{port}/") == "tls_failed"


# Nobody there.


async def test_a_port_that_nobody_listens_on_is_unreachable() -> None:
    async with sending() as sender:
        assert await problem_of(sender, f"http://127.0.0.1:{free_port()}/") == "unreachable"
        assert await problem_of(sender, f"http://localhost:{free_port()}/") == "unreachable"


@pytest.mark.parametrize("errno", [socket.EAI_NONAME, socket.EAI_AGAIN, socket.EAI_FAIL])
async def test_a_name_without_an_address_is_unknown(errno: int) -> None:
    async def failing(name: str) -> Sequence[str]:
        raise socket.gaierror(errno, f"not this one: {name}")

    async with sending(allow_loopback=False, lookup=failing) as sender:
        assert await problem_of(sender, f"https://{NAME}/") == "name_unknown"


async def test_a_name_with_an_empty_answer_is_unknown() -> None:
    async def empty(name: str) -> Sequence[str]:
        return []

    async with sending(allow_loopback=False, lookup=empty) as sender:
        assert await problem_of(sender, f"https://{NAME}/") == "name_unknown"


async def test_whatever_goes_wrong_nothing_is_raised() -> None:
    async def broken(name: str) -> Sequence[str]:
        raise RuntimeError(name)

    async with sending(lookup=broken) as sender:
        assert await problem_of(sender, f"https://{NAME}/") == "unreachable"
        for changes in ({"secrets": ("whsec_no",)}, {"id": "a\r\nb: c"}):
            outcome = await sender.send(a_request("http://127.0.0.1:1/", **changes))
            assert isinstance(outcome, Unanswered)


# Time.


async def _dripping(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Always another byte, long before anybody would call it silence."""
    while not writer.is_closing():
        writer.write(b"H")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _dripping_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    await _dripping(reader, writer)


async def _dripping_head(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    await _dripping(reader, writer)


async def _for_ever_early(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


SLOW = [_silent, _dripping_head, _dripping_body, _for_ever_early]


@pytest.mark.parametrize("slow", SLOW)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_deadline_bounds_all_of_it(
    slow: Handler, scheme: str, certificate: Certificate
) -> None:
    tls = certificate.server if scheme == "https" else None
    async with (
        raw_server(slow, tls) as port,
        sending(patience_seconds=0.3, tls=certificate.trusting) as sender,
    ):
        outcome = await sender.send(a_request(f"{scheme}://127.0.0.1:{port}/"))
    assert isinstance(outcome, Unanswered)
    assert outcome.problem == "timeout"
    assert timedelta(seconds=0.29) < outcome.latency < timedelta(seconds=3)


async def test_the_deadline_bounds_the_handshake_of_tls() -> None:
    async with raw_server(_silent) as port, sending(patience_seconds=0.2) as sender:
        assert await problem_of(sender, f"https://127.0.0.1:{port}/") == "timeout"


async def test_the_deadline_bounds_the_look_up() -> None:
    async def never(name: str) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with sending(patience_seconds=0.1, lookup=never) as sender:
        assert await problem_of(sender, f"https://{NAME}/") == "timeout"


async def test_a_slow_receiver_does_not_delay_another() -> None:
    async with (
        raw_server(_silent) as slow,
        raw_server(answering(OK)) as quick,
        sending(patience_seconds=5) as sender,
    ):
        waiting = [
            asyncio.create_task(sender.send(a_request(f"http://127.0.0.1:{slow}/")))
            for _ in range(50)
        ]
        answer = await sender.send(a_request(f"http://127.0.0.1:{quick}/"))
        assert isinstance(answer, Answered)
        assert answer.latency < timedelta(seconds=2)
        assert not any(task.done() for task in waiting)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)


# Nothing is left behind.


@pytest.mark.parametrize("scheme", ["http", "https", "https without tls"])
async def test_an_attempt_that_is_canceled_leaves_no_connection(
    scheme: str, certificate: Certificate
) -> None:
    reached, left = asyncio.Event(), asyncio.Event()

    async def patient(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        reached.set()
        while await reader.read(1_000):
            pass
        left.set()

    tls = certificate.server if scheme == "https" else None
    async with raw_server(patient, tls) as port, sending(tls=certificate.trusting) as sender:
        url = f"{scheme.partition(' ')[0]}://127.0.0.1:{port}/"
        attempt = asyncio.create_task(sender.send(a_request(url)))
        await asyncio.wait_for(reached.wait(), 10)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        # Long before the sender is closed.
        await asyncio.wait_for(left.wait(), 10)


@pytest.mark.parametrize("answer", [OK, OK[:-1]])
async def test_a_receiver_that_never_says_goodbye_holds_no_connection(
    certificate: Certificate, answer: bytes
) -> None:
    def impolite() -> bytes:
        connection, _ = listening.accept()
        with certificate.server.wrap_socket(connection, server_side=True) as over_tls:
            while BODY not in over_tls.recv(65_536):
                pass
            over_tls.sendall(answer)
            # Hears the goodbye of TLS and answers nothing; then what is left is bare TCP.
            assert over_tls.recv(1) == b""
            with socket.socket(fileno=over_tls.detach()) as bare:
                bare.settimeout(10)
                return bare.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        served = asyncio.create_task(asyncio.to_thread(impolite))
        async with sending(tls=certificate.trusting, patience_seconds=1) as sender:
            await sender.send(a_request(f"https://127.0.0.1:{listening.getsockname()[1]}/"))
            assert await served == b""


async def test_closing_twice_and_without_use_is_well() -> None:
    async with sending() as sender:
        await sender.close()


async def test_no_line_and_no_outcome_shows_the_url_the_answer_or_a_secret(
    certificate: Certificate, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    handlers = [
        answering(b""),
        answering(b"secret-answer\r\n\r\n"),
        answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nsecret-answer"),
    ]
    shown = ""
    for handler in handlers:
        async with (
            raw_server(handler) as plain,
            raw_server(handler, certificate.server) as secure,
            sending(lookup=_here, tls=certificate.trusting) as sender,
        ):
            for place in (
                f"http://hooks.localhost:{plain}",
                f"https://{NAME}:{secure}",
                f"https://other.example:{secure}",
                f"https://10.0.0.1:{secure}",
                f"https://{NAME}:{free_port()}",
            ):
                shown += repr(await sender.send(a_request(f"{place}/secret-path")))
    assert shown.count("Unanswered") == 15
    for hidden in ("secret-path", NAME, NEW[10:30], "secret-answer"):
        assert hidden not in shown
        assert hidden not in caplog.text


async def test_a_request_does_not_show_its_secrets() -> None:
    assert NEW not in repr(a_request("https://hooks.example/"))
