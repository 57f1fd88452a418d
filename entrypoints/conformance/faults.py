"""The real application behind a layer that misbehaves on purpose."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from application.fingerprint import digest_of
from application.look_up_idempotency_key import KeyState
from application.ports.ids import Ids
from entrypoints.conformance.attempts import Attempt, Desk
from entrypoints.conformance.scenarios import Said, Sight
from entrypoints.conformance.visit import Answer, Gone, Visit
from entrypoints.http.dependencies import parse_idempotency_key
from entrypoints.http.headers import header_values
from entrypoints.http.json_body import MalformedJson, parse_json
from entrypoints.http.problems import Refused, problem
from entrypoints.http.request_id import HEADER, assign_request_id

PATH: Final = "/v1/orders"
HELD_SECONDS: Final = 0.1
"""So long everything that happens to an order's request is held back: what was sent together with
it has come by then, and is not taken for a return after it."""

_KEYS: Final = "/v1/idempotency-keys/"

_SUCCESS: Final = range(200, 300)
_ON_PURPOSE: Final = "The conformance kit answers so on purpose."


class Stray(Exception):
    """A request for none of the invoices. The message goes behind "it": "had no JSON body"."""


class Faults:
    """An ASGI application. `app` is Harbor's, with all its layers; every order that is placed and
    every key that is asked after goes over the desk, everything else straight to it.
    `pause_seconds` is what Retry-After says, `slow_seconds` how long an answer is late."""

    def __init__(
        self,
        app: ASGIApp,
        desk: Desk,
        *,
        ids: Ids,
        api_key: str,
        pause_seconds: int,
        slow_seconds: float,
    ) -> None:
        self._app = app
        self._desk = desk
        self._ids = ids
        self._api_key = api_key.encode()
        self._pause_seconds = pause_seconds
        self._slow_seconds = slow_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handle = self._handler(scope)
        if handle is None:
            await self._app(scope, receive, send)
            return
        visit, came_at = Visit(scope, receive, send), self._desk.now()
        with suppress(Gone):
            await visit.read()
            await handle(visit, came_at)

    def _handler(self, scope: Scope) -> Callable[[Visit, float], Awaitable[None]] | None:
        """For what goes over the desk."""
        if scope["type"] != "http":
            return None
        if scope["method"] == "POST" and scope["path"] == PATH:
            return self._place
        if scope["method"] == "GET" and scope["path"].startswith(_KEYS):
            return self._look_up
        return None

    async def _place(self, visit: Visit, came_at: float) -> None:
        try:
            invoice, digest = self._read(visit)
        except Stray as stray:
            self._desk.strays[str(stray)] += 1
            await self._pass_on(visit)
        else:
            await self._attempt(visit, came_at, invoice, digest)

    async def _look_up(self, visit: Visit, came_at: float) -> None:
        """Somebody asks what became of a key: the guide's other way out when an answer is lost."""
        answer = await self._pass_on(visit)
        if answer is None or answer.status not in _SUCCESS:
            return
        outcome = json.loads(answer.body)
        order = outcome["order"] if outcome["state"] == KeyState.COMPLETED else None
        if order is not None and order["invoice_id"] in self._desk.plan:
            self._desk.note_found(order["invoice_id"])

    def _read(self, visit: Visit) -> tuple[str, bytes]:
        """The invoice, and what makes two bodies the same to Harbor. Raises Stray."""
        if not self._is_ours(header_values(visit.scope, b"authorization")):
            raise Stray("had not the header Authorization: Bearer with the API key of this run")
        try:
            body = parse_json(visit.body)
        except MalformedJson:
            raise Stray("had no JSON body") from None
        invoice = body.get("invoice_id") if isinstance(body, dict) else None
        if not isinstance(invoice, str) or invoice not in self._desk.plan:
            raise Stray("had no invoice_id of the task")
        return invoice, digest_of(PATH, body)

    def _is_ours(self, authorizations: list[bytes]) -> bool:
        words = [each.split() for each in authorizations]
        return [[word[0].lower(), *word[1:]] for word in words if word] == [
            [b"bearer", self._api_key]
        ]

    async def _attempt(self, visit: Visit, came_at: float, invoice: str, digest: bytes) -> None:
        key = _key(visit)
        # Without a key there is nothing that could be repeated: it gets the real answer.
        faulty = key is not None and self._desk.meets_fault(invoice)
        scenario = self._desk.plan[invoice]
        delivered: Answer | None = None
        try:
            real = await self._carry_out(visit, scenario.carried_out if faulty else 1)
            if faulty and real is not None and real.status not in _SUCCESS:
                # The client has to be told what is wrong with its request.
                self._desk.keep_fault(invoice)
                faulty = False
            await asyncio.sleep(HELD_SECONDS)
            delivered = await self._show(visit, scenario.shown if faulty else Sight.WHOLE, real)
        finally:
            attempt = Attempt(
                invoice=invoice,
                key=key,
                digest=digest,
                came_at=came_at,
                ended_at=self._desk.now(),
                met_fault=faulty,
                status=None if delivered is None else delivered.status,
                code=None if delivered is None else delivered.code,
                retry_after=None if delivered is None else delivered.retry_after,
            )
            self._desk.record(attempt)

    async def _carry_out(self, visit: Visit, times: int) -> Answer | None:
        """The last answer."""
        real = None
        for _ in range(times):
            real = await visit.carry_out(self._app)
        return real

    async def _show(self, visit: Visit, shown: Sight | Said, real: Answer | None) -> Answer | None:
        """The answer that was delivered whole, if one was."""
        if isinstance(shown, Said):
            return await visit.give(self._said(shown, visit.scope))
        if real is None or shown is Sight.NOTHING:
            await visit.cut()
            return None
        if shown is Sight.HALF:
            await visit.give_half(real)
            return None
        if shown is Sight.LATE:
            await visit.linger(self._slow_seconds, self._desk.closing)
        return await visit.give(real)

    async def _pass_on(self, visit: Visit) -> Answer | None:
        return await visit.give(await visit.carry_out(self._app))

    def _said(self, said: Said, scope: Scope) -> Answer:
        pause = {"Retry-After": str(self._pause_seconds)} if said.retry_after else {}
        if said.code is None:
            response = Response(_proxys_page(said.status), said.status, pause, "text/html")
        else:
            request_id = assign_request_id(scope, self._ids)
            response = problem(said.code, _ON_PURPOSE, request_id=request_id, headers=pause)
            response.raw_headers.append((HEADER, request_id.encode()))
        headers = tuple(response.raw_headers)
        return Answer(status=response.status_code, headers=headers, body=bytes(response.body))


def _proxys_page(status: int) -> str:
    title = f"{status} {HTTPStatus(status).phrase}"
    return f"<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


def _key(visit: Visit) -> str | None:
    given = [each.decode("latin-1") for each in header_values(visit.scope, b"idempotency-key")]
    try:
        return parse_idempotency_key(given[0].strip(" \t")) if len(given) == 1 else None
    except Refused:
        return None
