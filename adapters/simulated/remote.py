"""The simulated gateway in a process of its own, asked over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlencode

from adapters.simulated import wire
from adapters.simulated.books import REMEMBERS_KEYS_FOR, EffectPage, Position
from adapters.simulated.gateway import NAME
from adapters.simulated.payment_methods import is_accepted
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable, PaymentGateway
from application.ports.readiness import Finding, ReadinessProbe
from domain.payment import Outcome, Unknown

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

_ANSWER_SECONDS: Final = 30.0
_PROBE_SECONDS: Final = 5.0
_MOST_ANSWER_BYTES: Final = 16_384
_MOST_PAGE_BYTES: Final = 1_048_576
_LONGEST_RETRY_AFTER: Final = timedelta(hours=1)
_MOST_DIGITS: Final = 9


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    status: int
    body: bytes
    retry_after: timedelta | None


class _NoAnswer(Exception):
    def __init__(self, problem: str, *, untouched: bool = False) -> None:
        super().__init__(problem)
        self.unknown = Unknown(problem, untouched=untouched)


class RemoteSimulatedGateway(PaymentGateway):
    """`url` is where the gateway listens. An answer that takes longer than `answer_seconds` is
    unknown, as is every answer that is not to the letter what `wire.py` says."""

    def __init__(
        self, url: str, *, connections: int = 256, answer_seconds: float = _ANSWER_SECONDS
    ) -> None:
        self._url = url.rstrip("/")
        self._connections = connections
        self._answer_seconds = answer_seconds
        self._opened: ClientSession | None = None

    @property
    def name(self) -> str:
        return NAME

    @property
    def remembers_keys_for(self) -> timedelta:
        return REMEMBERS_KEYS_FOR

    def accepts(self, payment_method: str | None) -> bool:
        return is_accepted(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        try:
            answer = await self._ask("POST", "/operations", content=wire.pack_request(request))
        except _NoAnswer as error:
            return error.unknown
        if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
            return Unknown("throttled", answer.retry_after, untouched=True)
        return _outcome_of(answer, request)

    async def find(self, request: GatewayRequest) -> Outcome | None:
        try:
            answer = await self._ask("GET", f"/operations/{quote(request.reference, safe='')}")
        except _NoAnswer as error:
            return Unknown(str(error))
        return None if _knows_nothing(answer, request) else _outcome_of(answer, request)

    async def effects(self, since: datetime) -> AsyncIterator[Effect]:
        after = None
        while True:
            page = await self._page(since, after)
            for effect in page.effects:
                yield effect
            if page.next is None:
                return
            if not page.effects or (after is not None and page.next <= after):
                raise GatewayUnavailable("The gateway's books go round in circles.")
            after = page.next

    async def examine(self) -> None:
        """Raises GatewayUnavailable unless the gateway says that it works."""
        try:
            answer = await self._ask("GET", "/health")
        except _NoAnswer as error:
            raise GatewayUnavailable(f"The gateway does not answer: {error}.") from error
        if answer.status != HTTPStatus.OK:
            raise GatewayUnavailable(f"The gateway is not well: {answer.status}.")

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def _page(self, since: datetime, after: Position | None) -> EffectPage:
        query = {"since": since.isoformat()}
        if after is not None:
            query["after"] = wire.position_text(after)
        try:
            answer = await self._ask("GET", "/effects", query=query, at_most=_MOST_PAGE_BYTES)
        except _NoAnswer as error:
            raise GatewayUnavailable(f"The gateway does not answer: {error}.") from error
        if answer.status != HTTPStatus.OK:
            raise GatewayUnavailable(f"The gateway does not show its books: {answer.status}.")
        try:
            return wire.unpack_effects(answer.body)
        except wire.Unreadable as error:
            raise GatewayUnavailable("The gateway's books cannot be read.") from error

    async def _ask(
        self,
        method: str,
        path: str,
        *,
        content: bytes | None = None,
        query: dict[str, str] | None = None,
        at_most: int = _MOST_ANSWER_BYTES,
    ) -> _Answer:
        """Raises _NoAnswer, and nothing else whatever is at the other end."""
        # A process whose gateway is inside never needs them.
        from aiohttp import (
            ClientConnectionError,
            ClientConnectorError,
            ClientError,
            InvalidURL,
            NonHttpUrlClientError,
            ServerDisconnectedError,
        )

        from adapters.http_client import answer_to

        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        try:
            async with asyncio.timeout(self._answer_seconds):
                async with answer_to(self._session(), method, url, content=content) as response:
                    return await _read(response, at_most)
        except TimeoutError as error:
            raise _NoAnswer("timeout") from error
        except (ServerDisconnectedError, wire.Unreadable) as error:
            raise _NoAnswer("unreadable") from error
        except ClientConnectorError as error:
            raise _NoAnswer("unreachable", untouched=True) from error
        except (ClientConnectionError, InvalidURL, NonHttpUrlClientError) as error:
            raise _NoAnswer("unreachable") from error
        except ClientError as error:
            raise _NoAnswer("unreadable") from error
        except Exception as error:  # no failure of a client library is a failure of ours
            raise _NoAnswer("unreachable") from error

    def _session(self) -> "ClientSession":
        if self._opened is None:
            from adapters.http_client import http_session

            self._opened = http_session(
                connections=self._connections, headers={"Content-Type": "application/json"}
            )
        return self._opened


class RemoteSimulatedGatewayProbe(ReadinessProbe):
    def __init__(self, gateway: RemoteSimulatedGateway) -> None:
        self._gateway = gateway

    async def examine(self) -> Finding:
        problem = None
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._gateway.examine()
        except (GatewayUnavailable, TimeoutError):
            problem = (
                "The simulated gateway does not answer: check HARBOR_GATEWAY_URL, and that"
                " `harbor gateway` runs there."
            )
        return Finding(name="gateway", problem=problem, required=False)


async def _read(response: "ClientResponse", at_most: int) -> _Answer:
    """Raises Unreadable when there is more of it."""
    from adapters.http_client import read_at_most

    body = await read_at_most(response, at_most)
    if body is None:
        raise wire.Unreadable("length")
    retry_after = _retry_after(response.headers.get("Retry-After", ""))
    return _Answer(status=response.status, body=body, retry_after=retry_after)


def _retry_after(text: str) -> timedelta | None:
    """Whole seconds, and not beyond reason."""
    if not (text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS):
        return None
    return min(timedelta(seconds=int(text)), _LONGEST_RETRY_AFTER)


def _knows_nothing(answer: _Answer, request: GatewayRequest) -> bool:
    """Only when the gateway says just that, of this reference: any web server answers 404."""
    try:
        return answer.status == HTTPStatus.NOT_FOUND and wire.unpack(answer.body) == {
            "problem": wire.REFERENCE_UNKNOWN,
            "reference": request.reference,
        }
    except wire.Unreadable:
        return False


def _outcome_of(answer: _Answer, request: GatewayRequest) -> Outcome:
    match answer.status:
        case HTTPStatus.OK:
            return _outcome_in(answer.body, request)
        case HTTPStatus.CONFLICT:
            return Unknown("key_reused")
        case HTTPStatus.TOO_MANY_REQUESTS:
            return Unknown("throttled", answer.retry_after)
        case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return Unknown("gateway_error", answer.retry_after)
        case _:
            return Unknown("unreadable")


def _outcome_in(body: bytes, request: GatewayRequest) -> Outcome:
    try:
        reference, outcome = wire.unpack_outcome(body)
    except wire.Unreadable:
        return Unknown("unreadable")
    return outcome if reference == request.reference else Unknown("mismatch")
