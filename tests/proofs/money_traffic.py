"""Orders of every kind over HTTP, each carried to its end, and a book of what was answered."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any, Final

import httpx2

from tests.journeys.api import Api

AMBIGUOUS: Final = (
    *("sim_timeout_before", "sim_timeout_after"),
    *("sim_error", "sim_unknown_then_declined"),
)
_DECLINING: Final = ("sim_decline", "sim_insufficient_funds")
_NEVER_PAYS: Final = (*_DECLINING, "sim_unknown_then_declined")
_SETTLED: Final = ("authorized", "paid", "failed", "canceled")
_LOOK_SECONDS: Final = 0.4
_TRY_AGAIN_SECONDS: Final = 0.5
_MOST_LOOKS: Final = 20_000
_REPEATED: Final = 0.1
"""The part of all requests that is sent again though it was answered."""

TRY_AGAIN: Final = ("idempotency_in_progress", "unavailable", "outcome_unknown")


class Surprise(Exception):
    """An answer that no fault of this run excuses."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is to become of an order. `captured` is of its amount; nothing means that a manual one
    is canceled once it is authorized. Several `refunds` race."""

    key: str
    amount: int
    payment_method: str | None
    manual: bool
    captured: int
    refunds: tuple[int, ...] = ()
    cancels_at_once: bool = False


@dataclass(frozen=True, slots=True)
class Meant:
    """What an order has to be in the end."""

    status: str
    captured: int = 0
    refunded: int = 0


@dataclass(slots=True)
class Book:
    """`answers` are the bytes of each key's 2xx; `meant` is by order, `refunds` what was accepted:
    the refund's order and amount."""

    answers: dict[str, bytes] = field(default_factory=dict)
    placed: dict[str, str] = field(default_factory=dict)
    meant: dict[str, Meant] = field(default_factory=dict)
    refunds: dict[str, tuple[str, int]] = field(default_factory=dict)
    repeated: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    surprises: list[str] = field(default_factory=list)


def some_plans(count: int, chance: random.Random) -> list[Plan]:
    """A third with a method whose outcome is ambiguous; every other kind of order by chance."""
    ambiguous = cycle(AMBIGUOUS)
    methods: list[str | None] = [next(ambiguous) for _ in range(-(-count // 3))]
    while len(methods) < count:
        declines = chance.random() < 0.1
        methods.append(chance.choice(_DECLINING if declines else ("sim_approve", None)))
    chance.shuffle(methods)
    return [_a_plan(f"order-{number}", each, chance) for number, each in enumerate(methods)]


def _a_plan(key: str, payment_method: str | None, chance: random.Random) -> Plan:
    amount = chance.randint(100, 10_000)
    manual = chance.random() < 0.3
    captured = amount
    if manual:
        captured = chance.choice((0, amount, chance.randint(50, amount - 1)))
    refunds: tuple[int, ...] = ()
    if captured and chance.random() < 0.35:
        parts = chance.randint(1, 3)
        whole = chance.random() < 0.4
        part = captured // parts if whole else captured // (parts + 1)
        refunds = (part,) * (parts - 1)
        refunds += (captured - sum(refunds) if whole else part,)
    return Plan(
        key=key,
        amount=amount,
        payment_method=payment_method,
        manual=manual,
        captured=captured,
        refunds=refunds,
        cancels_at_once=chance.random() < 0.05,
    )


class Customer:
    """Sees one order through."""

    def __init__(self, api: Api, book: Book, plan: Plan, chance: random.Random) -> None:
        self._api = api
        self._book = book
        self._plan = plan
        self._chance = chance
        self._id = ""

    async def __call__(self) -> None:
        try:
            await self._see_through()
        except Surprise as surprise:
            self._book.surprises.append(f"{self._plan.key} {self._id}: {surprise}")

    async def _see_through(self) -> None:
        plan = self._plan
        await self._place()
        if plan.cancels_at_once and await self._is_canceled_at_once():
            return
        if plan.payment_method in _NEVER_PAYS:
            await self._end(Meant("failed"))
            return
        if plan.manual:
            await self._until(lambda order: order["status"] == "authorized")
            if not plan.captured:
                await self._post("cancel", {}, f"{plan.key}-cancel", (200, 202))
                await self._end(Meant("canceled"))
                return
            part = {"amount_cents": plan.captured}
            whole = plan.captured == plan.amount
            await self._post("capture", {} if whole else part, f"{plan.key}-capture", (202,))
        await self._pay_back()

    async def _place(self) -> None:
        plan = self._plan
        order: dict[str, Any] = {"customer_id": "cus_1", "currency": "EUR"}
        order |= {"amount_cents": plan.amount, "description": plan.key}
        order["capture_method"] = "manual" if plan.manual else "automatic"
        if plan.payment_method is not None:
            order["payment_method"] = plan.payment_method
        placed = await self._post("", order, plan.key, (201,))
        self._id = placed["id"]
        self._book.placed[self._id] = plan.key

    async def _is_canceled_at_once(self) -> bool:
        """False when a worker was faster; then the key may be used for nothing else."""
        answer = await self._answer(self._path("cancel"), {}, f"{self._plan.key}-at-once")
        if answer.status_code == 409:
            self._book.refused[answer.json()["code"]] += 1
            return False
        await self._noted(answer, self._path("cancel"), {}, f"{self._plan.key}-at-once", (200, 202))
        await self._end(Meant("canceled"))
        return True

    async def _pay_back(self) -> None:
        plan = self._plan
        await self._until(lambda order: order["status"] == "paid")
        await asyncio.gather(*(self._refund(number) for number in range(len(plan.refunds))))
        back = sum(plan.refunds)
        left = "partially_refunded" if back else "paid"
        status = "refunded" if back == plan.captured else left
        await self._end(Meant(status, plan.captured, back))

    async def _refund(self, number: int) -> None:
        amount = self._plan.refunds[number]
        key = f"{self._plan.key}-refund-{number}"
        refund = await self._post("refunds", {"amount_cents": amount}, key, (201,))
        self._book.refunds[refund["id"]] = (self._id, amount)

    async def _end(self, meant: Meant) -> None:
        self._book.meant[self._id] = meant
        await self._until(
            lambda order: (
                order["status"] == meant.status and order["amount_refunded_cents"] == meant.refunded
            )
        )

    async def _until(self, is_there: Callable[[dict[str, Any]], bool]) -> None:
        """Look at the order until it is as it should be; who waits for all of it has a deadline."""
        for _ in range(_MOST_LOOKS):
            answer = await self._sent("GET", f"/v1/orders/{self._id}")
            order = answer.json()
            if answer.status_code == 200 and is_there(order):
                return
            if answer.status_code == 200 and order["status"] in ("failed", "canceled"):
                raise Surprise(f"it is {order['status']}")
            await asyncio.sleep(_LOOK_SECONDS)

    def _path(self, verb: str) -> str:
        return f"/v1/orders/{self._id}/{verb}" if verb else "/v1/orders"

    async def _post(
        self, verb: str, body: dict[str, Any], key: str, expected: Collection[int]
    ) -> dict[str, Any]:
        path = self._path(verb)
        return await self._noted(await self._answer(path, body, key), path, body, key, expected)

    async def _noted(
        self,
        answer: httpx2.Response,
        path: str,
        body: dict[str, Any],
        key: str,
        expected: Collection[int],
    ) -> dict[str, Any]:
        # 200: the first time nobody heard the answer.
        if answer.status_code not in (*expected, 200):
            raise Surprise(f"POST {path}: {answer.status_code} {answer.text}")
        self._book.answers[key] = answer.content
        if self._chance.random() < _REPEATED:
            again = await self._answer(path, body, key)
            self._book.repeated += 1
            if (again.status_code, again.content) != (200, answer.content):
                raise Surprise(f"POST {path} again: {again.status_code} {again.text}")
        document: dict[str, Any] = answer.json()
        return document

    async def _answer(self, path: str, body: dict[str, Any], key: str) -> httpx2.Response:
        """With the same key until it is answered."""
        for _ in range(_MOST_LOOKS):
            answer = await self._sent("POST", path, body, key)
            if answer.is_success or answer.json()["code"] not in TRY_AGAIN:
                return answer
            self._book.refused[answer.json()["code"]] += 1
            await asyncio.sleep(_TRY_AGAIN_SECONDS)
        raise Surprise(f"POST {path} has no answer")

    async def _sent(
        self, method: str, path: str, body: object = None, key: str | None = None
    ) -> httpx2.Response:
        for _ in range(_MOST_LOOKS):
            try:
                if method == "GET":
                    return await self._api.get(path)
                return await self._api.post(path, body, key)
            except httpx2.TransportError as error:
                self._book.refused[type(error).__name__] += 1
                await asyncio.sleep(_TRY_AGAIN_SECONDS)
        raise Surprise(f"{method} {path} has no answer")
