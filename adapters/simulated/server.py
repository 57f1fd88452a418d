"""The simulated gateway as a process of its own: the ledger over HTTP, as `wire.py` says."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, assert_never

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from adapters.simulated import wire
from adapters.simulated.clerk import LedgerBusy, LedgerUnavailable
from adapters.simulated.ledger import Ledger
from adapters.simulated.payment_methods import SLOW_SECONDS, Answer, Mishap

SILENCE_SECONDS: Final = 60.0
"""How long a caller who gets no answer is left waiting for it."""
MOST_WAITING: Final = 1_024
"""How many callers may be left waiting for an answer that is slow or never comes."""
_BODY_SECONDS: Final = 10.0

_Endpoint = Callable[[Request], Awaitable[Response]]


def create_gateway_app(
    ledger: Ledger,
    *,
    slow_seconds: float = SLOW_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
) -> Starlette:
    """An ASGI application, which closes the ledger when it ends."""
    desk = _Desk(ledger, slow_seconds=slow_seconds, silence_seconds=silence_seconds)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await ledger.close()

    return Starlette(
        routes=[
            Route("/operations", desk.execute, methods=["POST"]),
            Route("/operations/{reference}", desk.find),
            Route("/effects", desk.effects),
            Route("/health", desk.health),
        ],
        exception_handlers={
            wire.Unreadable: _unreadable,
            LedgerBusy: _busy,
            LedgerUnavailable: _unavailable,
            HTTPException: _refused,
        },
        lifespan=lifespan,
    )


class _Desk:
    """Reads what is asked, asks the ledger, and writes what it says."""

    def __init__(self, ledger: Ledger, *, slow_seconds: float, silence_seconds: float) -> None:
        self._ledger = ledger
        self._slow_seconds = slow_seconds
        self._silence_seconds = silence_seconds
        self._waiting = 0

    async def execute(self, request: Request) -> Response:
        asked = wire.unpack_request(await _body_of(request))
        reply = await self._ledger.carry_out(asked)
        match reply:
            case Answer(outcome=outcome, is_slow=is_slow):
                if is_slow and not await self._stays(request, self._slow_seconds):
                    return _problem(503, "too_many_wait")
                return _json(200, wire.pack_outcome(asked.reference, outcome))
            case Mishap.SILENCE:
                await self._stays(request, self._silence_seconds)
                return _problem(504, "no_answer")
            case Mishap.ERROR:
                return _problem(500, "gateway_error")
            case Mishap.KEY_REUSED:
                return _problem(409, wire.KEY_REUSED)
            case never:
                assert_never(never)

    async def find(self, request: Request) -> Response:
        reference = request.path_params["reference"]
        if not wire.is_reference(reference):
            raise wire.Unreadable("reference")
        outcome = await self._ledger.find(reference)
        if outcome is None:
            unknown = {"problem": wire.REFERENCE_UNKNOWN, "reference": reference}
            return _json(404, wire.pack(unknown))
        return _json(200, wire.pack_outcome(reference, outcome))

    async def effects(self, request: Request) -> Response:
        since = wire.unpack_moment(request.query_params.get("since", ""))
        after = request.query_params.get("after")
        position = None if after is None else wire.unpack_position(after)
        return _json(200, wire.pack_effects(await self._ledger.effects(since, position)))

    async def health(self, _: Request) -> Response:
        await self._ledger.examine()
        return _json(200, wire.pack({"status": "ok"}))

    async def _stays(self, request: Request, seconds: float) -> bool:
        """Keep the caller waiting, until it leaves at the latest. False when too many wait."""
        if self._waiting >= MOST_WAITING:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(seconds):
                await _departure(request)
        except TimeoutError:
            pass
        finally:
            self._waiting -= 1
        return True


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _body_of(request: Request) -> bytes:
    """Raises HTTPException 413 and 408."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > wire.MOST_REQUEST_BYTES:
                    raise HTTPException(413)
    except TimeoutError as error:
        raise HTTPException(408) from error
    except ClientDisconnect as error:
        # Nobody reads this.
        raise HTTPException(400) from error
    return bytes(body)


def _json(status: int, content: bytes) -> Response:
    return Response(content, status, media_type="application/json")


def _problem(status: int, problem: str) -> Response:
    return _json(status, wire.pack({"problem": problem}))


async def _unreadable(_: Request, error: Exception) -> Response:
    return _json(400, wire.pack({"problem": "unreadable", "member": str(error)}))


async def _busy(_: Request, __: Exception) -> Response:
    response = _problem(429, "throttled")
    response.headers["Retry-After"] = "1"
    return response


async def _unavailable(_: Request, __: Exception) -> Response:
    return _problem(503, "ledger_unavailable")


async def _refused(_: Request, error: Exception) -> Response:
    """What the framework refuses has its own status."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    response = _problem(status, "refused")
    response.headers.update(headers or {})
    return response
