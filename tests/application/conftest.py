"""The use cases over real SQLite, with time and randomness held still."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.api_keys import RememberedApiKeys
from adapters.memory.idempotency import SingleFlightIdempotency
from adapters.simulated.gateway import SimulatedGateway
from adapters.simulated.ledger import Ledger
from adapters.sql.api_keys import SqlApiKeys
from adapters.sql.database import Database
from adapters.sql.idempotency import SqlIdempotencyStore
from adapters.sql.merchants import SqlMerchants
from adapters.sql.orders import SqlOrders
from adapters.sql.payment_history import SqlPaymentHistory
from adapters.sql.payment_operations import SqlPaymentOperations
from adapters.vault import AesGcmVault
from application.authenticate import Authenticate, Caller
from application.cancel_order import CancelOrder, CancelOrderCommand
from application.capture_order import CaptureOrder, CaptureOrderCommand
from application.change_order import ChangeOrder, WhichOrder
from application.create_merchant import CreateMerchant
from application.new_api_key import ApiKeyMint
from application.once import Answer, Claim, Once
from application.place_order import PlaceOrder, PlaceOrderCommand
from application.ports.api_keys import ApiKeys
from application.ports.gateway import Effect, PaymentGateway
from application.ports.idempotency import IdempotencyStore
from application.ports.merchants import Merchants
from application.ports.orders import Orders
from application.ports.payment_history import History, PaymentHistory
from application.ports.payment_operations import Decide, PaymentOperations, Result, Work
from application.refund_order import RefundOrder, RefundOrderCommand
from application.run_payment_operations import Claimed, RunPaymentOperations, WorkTimes
from domain.api_key_text import KeyMode
from domain.merchant import Scope
from domain.money import Money
from domain.order import CaptureMethod, Order
from tests.examples import EPOCH, ROUTE, a_request
from tests.fakes import FakeClock, FakeIds

SECRET = b"a secret of the tests, long enough for anyone"
ANSWER = timedelta(milliseconds=300)
"""How long a gateway is waited for where no answer will come."""
A_WHILE = timedelta(minutes=10)
"""Longer than any lease or pause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the use cases are made of. `merchant_id` is a merchant with one key, `key_text`."""

    database: Database
    clock: FakeClock
    ids: FakeIds
    gateway: PaymentGateway
    answers: IdempotencyStore
    orders: Orders
    operations: PaymentOperations
    history: PaymentHistory
    merchants: Merchants
    api_keys: ApiKeys
    mint: ApiKeyMint
    merchant_id: UUID
    key_id: UUID
    key_text: str

    @property
    def once(self) -> Once:
        return self.once_with(SECRET)

    def once_with(self, secret: bytes) -> Once:
        return Once(answers=self.answers, vault=AesGcmVault(secret), clock=self.clock)

    @property
    def place_order(self) -> PlaceOrder:
        return PlaceOrder(once=self.once, gateway=self.gateway, ids=self.ids)

    @property
    def change_order(self) -> ChangeOrder:
        return ChangeOrder(once=self.once, orders=self.orders, gateway=self.gateway, ids=self.ids)

    @property
    def authenticate(self) -> Authenticate:
        return Authenticate(api_keys=self.api_keys, clock=self.clock, mode=KeyMode.TEST)

    def caller(self, *scopes: Scope) -> Caller:
        return Caller(merchant_id=self.merchant_id, key_id=self.key_id, scopes=frozenset(scopes))

    def claim(self, key: str = "a key", /, *, route: str = ROUTE, **body: object) -> Claim:
        return Claim(merchant_id=self.merchant_id, key=key, route=route, body=body)

    # What an integrator asks for. Another body under the same key is another request.

    async def place(
        self, key: str = "a key", *, amount: int = 1000, manual: bool = False, **request: Any
    ) -> Order:
        answer = await self.ask_for_order(key, amount=amount, manual=manual, **request)
        return await self.order(UUID(answer.location.removeprefix("/v1/orders/")))

    async def ask_for_order(
        self, key: str, *, amount: int = 1000, manual: bool = False, **request: Any
    ) -> Answer:
        command = PlaceOrderCommand(
            claim=self.claim(key, amount_cents=amount, manual=manual, **request),
            request=a_request(
                amount=Money(amount_minor=amount, currency="EUR"),
                capture_method=CaptureMethod.MANUAL if manual else CaptureMethod.AUTOMATIC,
                **request,
            ),
        )
        return await self.place_order(command)

    async def capture(
        self,
        order: Order,
        amount: int | None = None,
        *,
        key: str = "a capture",
        versions: frozenset[int] | None = None,
    ) -> Answer:
        command = CaptureOrderCommand(
            claim=self._claim_of(order, "capture", key, amount_cents=amount),
            which=WhichOrder(id=order.id, versions=versions),
            amount_minor=amount,
        )
        return await CaptureOrder(change_order=self.change_order)(command)

    async def cancel(
        self, order: Order, *, key: str = "a cancel", versions: frozenset[int] | None = None
    ) -> Answer:
        command = CancelOrderCommand(
            claim=self._claim_of(order, "cancel", key),
            which=WhichOrder(id=order.id, versions=versions),
        )
        return await CancelOrder(change_order=self.change_order)(command)

    async def refund(
        self,
        order: Order,
        amount: int | None = None,
        *,
        key: str = "a refund",
        reason: str | None = None,
        versions: frozenset[int] | None = None,
    ) -> Answer:
        command = RefundOrderCommand(
            claim=self._claim_of(order, "refunds", key, amount_cents=amount, reason=reason),
            which=WhichOrder(id=order.id, versions=versions),
            amount_minor=amount,
            reason=reason,
        )
        return await RefundOrder(change_order=self.change_order)(command)

    def _claim_of(self, order: Order, verb: str, key: str, **body: object) -> Claim:
        return self.claim(key, route=f"POST /v1/orders/{order.id}/{verb}", **body)

    # What the worker does.

    def worker(self, **times: timedelta) -> RunPaymentOperations:
        return RunPaymentOperations(
            operations=self.operations,
            gateway=self.gateway,
            ids=self.ids,
            clock=self.clock,
            times=WorkTimes(**{"answer": ANSWER, **times}),
        )

    async def claim_one(self, worker: RunPaymentOperations) -> Claimed:
        (claimed,) = await worker.claim(10)
        return claimed

    async def work(self) -> int:
        """All that is due now, one after the other; how many that were."""
        worker = self.worker()
        claimed = await worker.claim(100)
        for each in claimed:
            await worker.carry_out(each)
        return len(claimed)

    async def work_after(self, pause: timedelta) -> int:
        self.clock.advance(pause)
        return await self.work()

    # What comes of it.

    async def order(self, order_id: UUID) -> Order:
        order = await self.orders.get(self.merchant_id, order_id)
        assert order is not None
        return order

    async def told(self, order: Order) -> History:
        """All that happened to the order."""
        history = await self.history.of_order(order.id)
        assert history is not None
        return history

    async def paid(self, key: str = "a key", *, amount: int = 1000) -> Order:
        order = await self.place(key, amount=amount)
        await self.work()
        return await self.order(order.id)

    async def authorized(self, key: str = "a key", *, amount: int = 1000) -> Order:
        order = await self.place(key, amount=amount, manual=True)
        await self.work()
        return await self.order(order.id)

    async def effects(self) -> list[Effect]:
        """All that the gateway's books say was done, the first first."""
        return [effect async for effect in self.gateway.effects(EPOCH)]

    async def done(self) -> list[tuple[str, int]]:
        """The same in short: what was done, and with how many minor units."""
        return [(effect.kind.value, effect.amount.amount_minor) for effect in await self.effects()]


class Passing(PaymentOperations):
    """Another store's operations, to be changed a little."""

    def __init__(self, inner: PaymentOperations) -> None:
        self._inner = inner

    async def claim(self, gateway: str, decide: Decide, limit: int) -> Sequence[Work]:
        return await self._inner.claim(gateway, decide, limit)

    async def claim_one(self, operation_id: UUID, gateway: str, decide: Decide) -> Work | None:
        return await self._inner.claim_one(operation_id, gateway, decide)

    async def record(self, result: Result) -> bool:
        return await self._inner.record(result)


@asynccontextmanager
async def a_world(
    database: Database, gateway: PaymentGateway, clock: FakeClock
) -> AsyncIterator[World]:
    ids = FakeIds()
    answers = SingleFlightIdempotency(SqlIdempotencyStore(database, clock))
    operations = SqlPaymentOperations(database, clock)
    merchants = SqlMerchants(database)
    mint = ApiKeyMint(ids=ids, mode=KeyMode.TEST)
    created = await CreateMerchant(merchants=merchants, mint=mint, ids=ids, clock=clock)("Acme")
    api_keys = RememberedApiKeys(SqlApiKeys(database), clock)
    made = World(
        database=database,
        clock=clock,
        ids=ids,
        gateway=gateway,
        answers=answers,
        orders=SqlOrders(database),
        operations=operations,
        history=SqlPaymentHistory(database),
        merchants=merchants,
        api_keys=api_keys,
        mint=mint,
        merchant_id=created.merchant.id,
        key_id=created.first_key.key.id,
        key_text=created.first_key.text,
    )
    try:
        yield made
    finally:
        await answers.drain()
        await operations.drain()
        await api_keys.drain()
        await gateway.close()


@pytest.fixture
async def world(sqlite_database: Database, tmp_path: Path) -> AsyncIterator[World]:
    clock = FakeClock()
    gateway = SimulatedGateway(Ledger(tmp_path / "gateway.db", clock))
    async with a_world(sqlite_database, gateway, clock) as made:
        yield made
