"""Webhooks over HTTP: one connection for each attempt, everything bounded."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

from adapters.webhooks.answers import excerpt, retry_after
from adapters.webhooks.guard import AddressRefused, Guard, Lookup
from adapters.webhooks.lookup import SystemLookup
from application.ports.webhook_sender import Answered, Unanswered, WebhookRequest, WebhookSender
from domain.webhook_signature import signature_header

if TYPE_CHECKING:
    from ssl import SSLContext

    from adapters.webhooks.connections import Answer

USER_AGENT: Final = "harbor-webhooks/1"
PATIENCE_SECONDS: Final = 20.0
_LOOKUP_THREADS: Final = 256


class HttpWebhookSender(WebhookSender):
    """Nothing that it returns, raises or logs holds the URL or a secret; errors of the HTTP
    library, which hold the request, go no further."""

    def __init__(
        self,
        *,
        allow_loopback: bool,
        patience_seconds: float = PATIENCE_SECONDS,
        lookup: Lookup | None = None,
        tls: "SSLContext | None" = None,
    ) -> None:
        """`patience_seconds` bounds each attempt, from the look-up to the last byte. `lookup` and
        `tls` are the operating system's resolver and authorities unless given. How many attempts
        are under way at once is the caller's to bound."""
        self._lookups = SystemLookup(_LOOKUP_THREADS)
        self._guard = Guard(lookup or self._lookups, allow_loopback=allow_loopback)
        self._patience_seconds = patience_seconds
        self._tls = tls

    def refusal(self, url: str) -> str | None:
        return self._guard.refusal(url)

    async def send(self, request: WebhookRequest) -> Answered | Unanswered:
        return await self._in_time(partial(self._send, request))

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes
    ) -> Answered | Unanswered:
        """One attempt whose signature is the caller's affair, be it right, wrong or missing: for
        who tries out what a receiver refuses. For the rest it is as `send` makes it."""
        return await self._in_time(partial(self._post, url, headers, body))

    async def close(self) -> None:
        self._lookups.close()

    async def _in_time(
        self, attempt: Callable[[float], Awaitable[Answered]]
    ) -> Answered | Unanswered:
        """`attempt` is told when it began."""
        began = time.monotonic()
        try:
            async with asyncio.timeout(self._patience_seconds):
                return await attempt(began)
        except TimeoutError:
            problem = "timeout"
        except Exception as error:
            problem = _problem(error)
        return Unanswered(problem=problem, latency=_since(began))

    async def _send(self, request: WebhookRequest, began: float) -> Answered:
        timestamp = int(request.sent_at.timestamp())
        signatures = signature_header(request.secrets, request.id, timestamp, request.body)
        headers = {
            "webhook-id": request.id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signatures,
        }
        answer = await self._exchange(request.url, headers, request.body)
        return Answered(
            status=answer.status,
            latency=_since(began),
            excerpt=excerpt(answer.body, request.secrets, signatures.split()),
            retry_after=retry_after(answer.retry_after, request.sent_at),
        )

    async def _post(
        self, url: str, headers: Mapping[str, str], body: bytes, began: float
    ) -> Answered:
        answer = await self._exchange(url, headers, body)
        # Who made the signatures knows the secrets; what would show them is left out.
        return Answered(status=answer.status, latency=_since(began), excerpt="")

    async def _exchange(self, url: str, headers: Mapping[str, str], body: bytes) -> "Answer":
        if self._guard.refusal(url) is not None:
            raise AddressRefused
        # A process that never sends a webhook does without aiohttp.
        from adapters.webhooks.connections import post

        of_every_attempt = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        return await post(
            self._guard, url, content=body, headers=of_every_attempt | dict(headers), tls=self._tls
        )


def _problem(error: Exception) -> str:
    from aiohttp import (
        ClientConnectorDNSError,
        ClientPayloadError,
        ClientResponseError,
        ClientSSLError,
    )

    match error:
        case AddressRefused():
            return "address_refused"
        case ClientConnectorDNSError():
            return "name_unknown"
        case ClientSSLError():
            return "tls_failed"
        case ClientResponseError() | ClientPayloadError():
            return "unreadable"
        case _:
            return "unreachable"


def _since(began: float) -> timedelta:
    return timedelta(seconds=time.monotonic() - began)
