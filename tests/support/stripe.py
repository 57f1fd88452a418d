"""The part of Stripe's API that Harbor uses, over real HTTP on a loopback port.

It keeps what Stripe keeps: payment intents, refunds, and for 24 hours the first answer to each
idempotency key with the parameters that it was for. `faults` makes it fail as Stripe may.
Sources: https://docs.stripe.com/api, https://docs.stripe.com/testing,
https://docs.stripe.com/error-low-level.
"""

import asyncio
import json
import re
import socket
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

API_KEY: Final = "sk_test_a_key_of_the_tests"
KEYS_KEPT: Final = timedelta(hours=24)
HELD_FOR: Final = timedelta(days=7)
Object: TypeAlias = dict[str, Any]
Params: TypeAlias = dict[str, str]

_DECLINES: Final = {
    "pm_card_chargeDeclined": "generic_decline",
    "pm_card_visa_chargeDeclined": "generic_decline",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient_funds",
    "pm_card_chargeDeclinedExpiredCard": "expired_card",
    "pm_card_authenticationRequired": "authentication_required",
}
_APPROVES: Final = frozenset({"pm_card_visa", "pm_card_mastercard", "pm_card_amex"})


class Fault(Enum):
    """What goes wrong with the next calls, one fault for each in the order given."""

    NONE = auto()
    LOSE_REQUEST = auto()
    """Not done, and the connection breaks."""
    LOSE_ANSWER = auto()
    """Done, and the connection breaks instead of an answer."""
    HANG = auto()
    """Done, and no answer at all until the caller leaves."""
    ERROR_BEFORE = auto()
    """500, nothing done; the key remembers the 500."""
    ERROR_AFTER = auto()
    """500, and done; the key remembers the 500."""
    RATE_LIMITED = auto()
    GARBAGE = auto()
    """Done, and answered with a page of HTML."""
    REDIRECT = auto()
    """Not done, and pointed elsewhere."""
    HUGE = auto()
    """Done, and answered with more than anybody should read."""
    DRIPS = auto()
    """Done, and answered for ever, a byte now and then."""
    OTHER_AMOUNT = auto()
    """Done, and the answer speaks of another amount."""
    PROCESSING = auto()
    """A charge or refund that is not decided yet."""
    REQUIRES_ACTION = auto()
    """A charge that waits for its payer although nobody is there."""
    REFUSED = auto()
    """400 for a reason without a code; the key remembers it."""
    WRONG_KEY = auto()
    LOCKED = auto()
    """429 lock_timeout: something else works on the object."""


class Refusal(Exception):
    """An error as Stripe answers it."""

    def __init__(self, status: int, kind: str, **members: Any) -> None:
        super().__init__(kind)
        self.status = status
        # The text is what must never get out of the adapter.
        self.body: Object = {
            "error": {"type": kind, "message": "A text about jenny.rosen@example.com", **members}
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The first answer to a key."""

    params: tuple[str, Params]
    at: datetime
    status: int
    body: Object


@dataclass(slots=True)
class StripeServer:
    """Stripe's state. `now` is its clock, which a test may move."""

    now: datetime = datetime(2026, 3, 1, 12, tzinfo=UTC)
    page_items: int = 10
    """How many items are on a page at most, so that the tests see more than one."""
    faults: deque[Fault] = field(default_factory=deque)
    first_faults: dict[str, Fault] = field(default_factory=dict)
    """What goes wrong with the first call under a key, by the payment method that it names. Such
    a payment method approves."""
    payments: dict[str, Object] = field(default_factory=dict)
    refunds: dict[str, Object] = field(default_factory=dict)
    keys: dict[str, Kept] = field(default_factory=dict)
    in_use: set[str] = field(default_factory=set)
    calls: list[str] = field(default_factory=list)
    """Method and path of each call that came in."""
    listed: list[Params] = field(default_factory=list)
    """What each call for a page asked for."""
    gone: set[str] = field(default_factory=set)
    """Payment methods and customers that are not known any more, which is looked at before the
    key."""
    hidden: set[str] = field(default_factory=set)
    """What a restricted key may not see: the paths of lists, and members to be expanded."""
    retry_after: str = "7"
    """What it asks for when it is asked too often."""
    versions: set[str] = field(default_factory=set)
    """Of the API, that the calls named."""
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when a call that will not be answered has been done."""
    seen: dict[str, asyncio.Event] = field(default_factory=lambda: defaultdict(asyncio.Event))
    """Set, by its key, when a call has been dealt with."""
    released: asyncio.Event = field(default_factory=asyncio.Event)
    """What a call that hangs waits for."""
    url: str = ""
    _made: int = 0

    def pass_time(self, duration: timedelta) -> None:
        """Move the clock, and let lapse what has been held for seven days."""
        self.now += duration
        for payment in self.payments.values():
            lapsed = payment["created"] + HELD_FOR.total_seconds() <= self._seconds
            if payment["status"] == "requires_capture" and lapsed:
                self._cancel(payment, "automatic")

    def paid(self) -> list[int]:
        """The amounts that were taken."""
        return [
            payment["amount_received"]
            for payment in self.payments.values()
            if payment["status"] == "succeeded"
        ]

    def moved_for(self, reference: str) -> list[tuple[int, str]]:
        """Amount and currency of everything that was done for a reference."""
        marks = {
            "harbor_reference": "amount",
            "harbor_capture": "amount_received",
            "harbor_void": "amount",
        }
        done = [
            item
            for item in [*self.payments.values(), *self.refunds.values()]
            if item["status"] in ("succeeded", "requires_capture", "canceled")
        ]
        return [
            (item[amount], item["currency"])
            for item in done
            for mark, amount in marks.items()
            if item["metadata"].get(mark) == reference
        ]

    # What is done in the dashboard.

    def capture_by_hand(self, payment_id: str, amount: int) -> None:
        self._take(self.payments[payment_id], amount)

    def refund_by_hand(self, payment_id: str, amount: int) -> None:
        self._refund({"payment_intent": payment_id, "amount": str(amount)}, Fault.NONE)

    # HTTP.

    async def answer(self, request: Request) -> Response:
        body = dict(parse_qsl((await request.body()).decode(), keep_blank_values=True))
        params = body if request.method == "POST" else dict(request.query_params)
        self.calls.append(f"{request.method} {request.url.path}")
        self.versions.add(request.headers.get("stripe-version", ""))
        fault = self._fault(request, params)
        early = self._refusal_before_all(request, params, fault)
        if early is not None:
            return early
        if request.method == "POST" and "idempotency-key" in request.headers:
            return self._once(request, params, fault)
        status, document = self._carry_out(request, params, fault)
        return _spoilt(self, fault, status, document)

    def _fault(self, request: Request, params: Params) -> Fault:
        seen = self.seen[request.headers.get("idempotency-key", "")]
        is_first = not seen.is_set()
        seen.set()
        if self.faults:
            return self.faults.popleft()
        fault = self.first_faults.get(params.get("payment_method", ""))
        return fault if fault and is_first else Fault.NONE

    def _refusal_before_all(
        self, request: Request, params: Params, fault: Fault
    ) -> Response | None:
        """What comes before the key is looked at, so that no key remembers it."""
        forbidden = self._forbidden(request, params, fault)
        if forbidden is not None:
            return _refuse(forbidden)
        if fault is Fault.RATE_LIMITED:
            refusal = Refusal(429, "invalid_request_error", code="rate_limit")
            return _refuse(refusal, {"Retry-After": self.retry_after})
        if fault is Fault.LOCKED:
            return _refuse(Refusal(429, "invalid_request_error", code="lock_timeout"))
        if fault is Fault.LOSE_REQUEST:
            return _Broken()
        if fault is Fault.REDIRECT:
            return Response(status_code=302, headers={"Location": f"{self.url}/elsewhere"})
        return None

    def _forbidden(self, request: Request, params: Params, fault: Fault) -> Refusal | None:
        if fault is Fault.WRONG_KEY or request.headers["authorization"] != f"Bearer {API_KEY}":
            return Refusal(401, "invalid_request_error")
        if any(name in f"{request.url.path}?{params.get('expand[]')}" for name in self.hidden):
            return Refusal(403, "invalid_request_error")
        for name in ("payment_method", "customer"):
            if params.get(name) in self.gone:
                return _missing(400, name)
        return None

    def _once(self, request: Request, params: Params, fault: Fault) -> Response:
        """https://docs.stripe.com/api/idempotent_requests"""
        key, asked = request.headers["idempotency-key"], (request.url.path, params)
        kept = self.keys.get(key)
        if key in self.in_use:
            return _refuse(Refusal(409, "idempotency_error", code="idempotency_key_in_use"))
        if kept is not None and self.now - kept.at < KEYS_KEPT:
            if kept.params != asked:
                return _refuse(Refusal(400, "idempotency_error"))
            return _spoilt(self, fault, kept.status, kept.body, {"Idempotent-Replayed": "true"})
        if fault is Fault.HANG:
            self.in_use.add(key)
        status, document = self._carry_out(request, params, fault)
        # A copy: the answer stays as it was, whatever becomes of the object.
        self.keys[key] = Kept(
            params=asked, at=self.now, status=status, body=json.loads(json.dumps(document))
        )
        return _spoilt(self, fault, status, document)

    def _carry_out(self, request: Request, params: Params, fault: Fault) -> tuple[int, Object]:
        error = Refusal(500, "api_error")
        if fault is Fault.REFUSED:
            error = Refusal(400, "invalid_request_error")
        if fault in (Fault.ERROR_BEFORE, Fault.REFUSED):
            return error.status, error.body
        try:
            done = self._route(request)(params, fault)
        except Refusal as refusal:
            return refusal.status, refusal.body
        if fault is Fault.ERROR_AFTER:
            return error.status, error.body
        return 200, _expanded(done, params.get("expand[]", ""))

    def _route(self, request: Request) -> Callable[[Params, Fault], Object]:
        payment_id = request.path_params.get("payment_id", "")
        verbs: Mapping[str, Callable[[Params, Fault], Object]] = {
            "POST /v1/payment_intents": self._create,
            "GET /v1/payment_intents": lambda params, _: self._page(self.payments, params),
            "POST /v1/payment_intents/{payment_id}": lambda params, _: self._update(
                self._existing(payment_id), params
            ),
            "GET /v1/payment_intents/{payment_id}": lambda _, __: self._existing(payment_id),
            "POST /v1/payment_intents/{payment_id}/capture": lambda params, _: self._capture(
                self._existing(payment_id), params
            ),
            "POST /v1/payment_intents/{payment_id}/cancel": lambda params, _: self._cancel_asked(
                self._existing(payment_id), params
            ),
            "POST /v1/refunds": self._refund,
            "GET /v1/refunds": lambda params, _: self._page(self.refunds, params),
        }
        route: Route = request.scope["route"]
        return verbs[f"{request.method} {route.path}"]

    # What Stripe does.

    def _create(self, params: Params, fault: Fault) -> Object:
        method = params["payment_method"]
        if method not in {*_DECLINES, *_APPROVES, *self.first_faults}:
            raise _missing(400, "payment_method")
        if not 50 <= int(params["amount"]) <= 99_999_999:
            code = "amount_too_small" if int(params["amount"]) < 50 else "amount_too_large"
            raise Refusal(400, "invalid_request_error", code=code, param="amount")
        payment = self._new_payment(params)
        self.payments[payment["id"]] = payment
        if method in _DECLINES:
            self._decline(payment, _DECLINES[method])
        elif fault is Fault.PROCESSING:
            payment["status"] = "processing"
        elif fault is Fault.REQUIRES_ACTION:
            payment["status"] = "requires_action"
        else:
            self._authorize(payment)
        return payment

    def _new_payment(self, params: Params) -> Object:
        return {
            "id": self._new_id("pi"),
            "object": "payment_intent",
            "amount": int(params["amount"]),
            "amount_received": 0,
            "amount_capturable": 0,
            "currency": params["currency"],
            "capture_method": params["capture_method"],
            "customer": params.get("customer"),
            "metadata": _metadata(params),
            "status": "requires_confirmation",
            "created": self._seconds,
            "canceled_at": None,
            "cancellation_reason": None,
            "last_payment_error": None,
            "latest_charge": None,
            "client_secret": "pi_secret_that_nobody_needs",
        }

    def _decline(self, payment: Object, reason: str) -> None:
        code = "card_declined"
        if reason in ("expired_card", "authentication_required"):
            code = reason
        error = {"type": "card_error", "code": code, "decline_code": reason}
        payment |= {"status": "requires_payment_method", "last_payment_error": error}
        raise Refusal(402, **_renamed(error), payment_intent=_expanded(payment, ""))

    def _authorize(self, payment: Object) -> None:
        lapses_at = self._seconds + int(HELD_FOR.total_seconds())
        payment["latest_charge"] = {
            "id": self._new_id("ch"),
            "object": "charge",
            "status": "succeeded",
            "created": self._seconds,
            "balance_transaction": None,
            "payment_method_details": {"type": "card", "card": {"capture_before": lapses_at}},
        }
        if payment["capture_method"] == "manual":
            payment |= {"status": "requires_capture", "amount_capturable": payment["amount"]}
        else:
            self._take(payment, payment["amount"])

    def _take(self, payment: Object, amount: int) -> None:
        self._release(payment, payment["amount"] - amount)
        payment |= {"status": "succeeded", "amount_received": amount, "amount_capturable": 0}
        payment["latest_charge"]["balance_transaction"] = self._transaction()

    def _release(self, payment: Object, amount: int) -> None:
        """Of what was held. It is written down as a refund, for all that nothing was taken.
        https://github.com/solidusio/solidus_stripe/pull/268"""
        if amount:
            self._new_refund(payment, amount, {}, moves=False)

    def _transaction(self) -> Object:
        return {"id": self._new_id("txn"), "created": self._seconds}

    def _update(self, payment: Object, params: Params) -> Object:
        if payment["status"] == "canceled":
            raise self._unexpected_state(payment)
        payment["metadata"] |= _metadata(params)
        return payment

    def _capture(self, payment: Object, params: Params) -> Object:
        if payment["status"] != "requires_capture":
            raise self._unexpected_state(payment)
        amount = int(params["amount_to_capture"])
        if amount > payment["amount_capturable"]:
            raise Refusal(400, "invalid_request_error", param="amount_to_capture")
        payment["metadata"] |= _metadata(params)
        self._take(payment, amount)
        return payment

    def _cancel_asked(self, payment: Object, params: Params) -> Object:
        if payment["status"] in ("canceled", "succeeded"):
            raise self._unexpected_state(payment)
        self._cancel(payment, params["cancellation_reason"])
        return payment

    def _cancel(self, payment: Object, reason: str) -> None:
        self._release(payment, payment["amount_capturable"])
        payment |= {
            "status": "canceled",
            "cancellation_reason": reason,
            "canceled_at": self._seconds,
            "amount_capturable": 0,
        }

    def _refund(self, params: Params, fault: Fault) -> Object:
        payment = self._existing(params["payment_intent"], field="payment_intent")
        if payment["status"] != "succeeded":
            raise self._unexpected_state(payment)
        amount = int(params["amount"])
        refunded = sum(
            refund["amount"]
            for refund in self.refunds.values()
            if refund["payment_intent"] is payment
            and refund["status"] != "failed"
            and refund["balance_transaction"]
        )
        if refunded == payment["amount_received"]:
            raise Refusal(400, "invalid_request_error", code="charge_already_refunded")
        if amount > payment["amount_received"] - refunded:
            raise Refusal(400, "invalid_request_error", param="amount")
        refund = self._new_refund(payment, amount, _metadata(params))
        if fault is Fault.PROCESSING:
            refund["status"] = "pending"
        return refund

    def _new_refund(
        self, payment: Object, amount: int, metadata: Params, *, moves: bool = True
    ) -> Object:
        refund = {
            "id": self._new_id("re"),
            "object": "refund",
            "amount": amount,
            "currency": payment["currency"],
            "payment_intent": payment,
            "metadata": metadata,
            "status": "succeeded",
            "created": self._seconds,
            "balance_transaction": self._transaction() if moves else None,
        }
        self.refunds[refund["id"]] = refund
        return refund

    def _existing(self, payment_id: str, *, field: str = "intent") -> Object:
        if payment_id not in self.payments:
            raise _missing(404, field)
        return self.payments[payment_id]

    def _page(self, objects: dict[str, Object], params: Params) -> Object:
        """Newest first. https://docs.stripe.com/api/pagination"""
        self.listed.append(params)
        newest_first = list(reversed(objects.values()))
        after = params.get("starting_after")
        if after is not None:
            position = [item["id"] for item in newest_first].index(after)
            newest_first = newest_first[position + 1 :]
        matching = [item for item in newest_first if _matches(item, params)]
        limit = min(int(params["limit"]), self.page_items)
        return {
            "object": "list",
            "data": matching[:limit],
            "has_more": len(matching) > limit,
        }

    def _unexpected_state(self, payment: Object) -> Refusal:
        return Refusal(
            400,
            "invalid_request_error",
            code="payment_intent_unexpected_state",
            payment_intent=_expanded(payment, ""),
        )

    def _new_id(self, prefix: str) -> str:
        self._made += 1
        return f"{prefix}_3MtwBwLkdIwHu7ix{self._made:08}"

    @property
    def _seconds(self) -> int:
        return int(self.now.timestamp())


def _missing(status: int, param: str) -> Refusal:
    return Refusal(status, "invalid_request_error", code="resource_missing", param=param)


_EXPANDABLE: Final = ("payment_intent", "latest_charge", "balance_transaction")


def _expanded(document: Object, expand: str) -> Object:
    """A copy, in which of another object there is only its id, where it was not asked for along a
    path such as "data.latest_charge.balance_transaction". https://docs.stripe.com/expand"""
    first, _, deeper = expand.partition(".")
    if document.get("object") == "list":
        items = document["data"]
        return document | {"data": [_expanded(item, deeper) for item in items]}
    shown = dict(document)
    for name in _EXPANDABLE:
        inner = document.get(name)
        if isinstance(inner, dict):
            shown[name] = _expanded(inner, deeper) if name == first else inner["id"]
    return shown


def _metadata(params: Params) -> dict[str, str]:
    found = ((re.fullmatch(r"metadata\[(\w+)\]", name), value) for name, value in params.items())
    return {match[1]: value for match, value in found if match is not None}


def _renamed(error: Object) -> Object:
    """As arguments of a Refusal, whose `type` is its `kind`."""
    return {"kind": error["type"], **{k: v for k, v in error.items() if k != "type"}}


def _matches(item: Object, params: Params) -> bool:
    wanted = params.get("payment_intent")
    bounds: list[tuple[str, Callable[[int, int], bool]]] = [
        ("created[gte]", lambda created, bound: created >= bound),
        ("created[gt]", lambda created, bound: created > bound),
        ("created[lt]", lambda created, bound: created < bound),
    ]
    customer = params.get("customer")
    if customer is not None and item["customer"] != customer:
        return False
    return (wanted is None or item["payment_intent"]["id"] == wanted) and all(
        holds(item["created"], int(params[name])) for name, holds in bounds if name in params
    )


def _refuse(refusal: Refusal, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse(refusal.body, refusal.status, headers)


# Answers that go wrong.


def _spoilt(
    server: StripeServer,
    fault: Fault,
    status: int,
    document: Object,
    headers: Mapping[str, str] | None = None,
) -> Response:
    if fault is Fault.OTHER_AMOUNT:
        document = document | {name: 1 for name in document if name.startswith("amount")}
    answers: dict[Fault, Response] = {
        Fault.LOSE_ANSWER: _Broken(),
        Fault.HANG: _Silent(server),
        Fault.GARBAGE: Response("<html>Bad Gateway</html>", status_code=status),
        Fault.HUGE: _Endless(b" " * 65_536),
        Fault.DRIPS: _Endless(b" ", server),
    }
    return answers.get(fault) or JSONResponse(document, status, headers)


async def _no_such_path(request: Request, _error: Exception) -> Response:
    """Without a `code`, which a missing object has."""
    return _refuse(Refusal(404, "invalid_request_error"))


class _Broken(Response):
    """Promises ten bytes and sends none, so that the server cuts the connection."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(b"content-length", b"10")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})


class _Silent(Response):
    def __init__(self, server: StripeServer) -> None:
        super().__init__()
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._server.reached.set()
        await self._server.released.wait()
        self._server.in_use.clear()
        await super().__call__(scope, receive, send)


class _Endless(Response):
    """Goes on until the caller leaves; slowly, when it is given the server to wait by."""

    def __init__(self, chunk: bytes, server: StripeServer | None = None) -> None:
        super().__init__()
        self._chunk = chunk
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.create_task(_departure(receive))
        while not gone.done():
            body = {"type": "http.response.body", "body": self._chunk, "more_body": True}
            await send(body)
            if self._server is not None:
                await asyncio.wait([gone], timeout=0.02)
            else:
                await asyncio.sleep(0)


async def _departure(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


@asynccontextmanager
async def serving_stripe() -> AsyncIterator[Callable[[], StripeServer]]:
    """A free loopback port at which there is a Stripe. Each call puts an empty one in its place."""
    current = StripeServer()

    async def answer(request: Request) -> Response:
        return await current.answer(request)

    paths = {
        "/v1/payment_intents": ["GET", "POST"],
        "/v1/payment_intents/{payment_id}": ["GET", "POST"],
        "/v1/payment_intents/{payment_id}/capture": ["POST"],
        "/v1/payment_intents/{payment_id}/cancel": ["POST"],
        "/v1/refunds": ["GET", "POST"],
    }
    routes = [Route(path, answer, methods=verbs) for path, verbs in paths.items()]
    app = Starlette(routes=routes, exception_handlers={404: _no_such_path})
    async with _serving(app) as port:

        def fresh() -> StripeServer:
            nonlocal current
            current.released.set()
            current = StripeServer(url=f"http://127.0.0.1:{port}")
            return current

        yield fresh
        current.released.set()


@asynccontextmanager
async def running_stripe() -> AsyncIterator[StripeServer]:
    """A Stripe of its own on a free loopback port."""
    async with serving_stripe() as fresh:
        yield fresh()


class _Server(uvicorn.Server):
    """Tells when it listens, and leaves the signals of the process to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def _serving(app: Starlette) -> AsyncIterator[int]:
    config = uvicorn.Config(app, lifespan="off", log_config=None, timeout_graceful_shutdown=1)
    server = _Server(config)
    # Named by its protocol, or asyncio leaves Nagle's algorithm on, at 40 ms for each answer.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve([listening]))
        await server.listens.wait()
        yield listening.getsockname()[1]
        server.should_exit = True
        await serving
