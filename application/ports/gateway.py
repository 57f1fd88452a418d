"""The payment gateway, which alone knows what became of the money."""

from abc import abstractmethod
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from domain.money import Money
from domain.payment import OperationKind, Outcome, PaymentOperation


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayRequest:
    """What is asked of the gateway: the same for ever, however often it is sent, but for
    `is_repeat`, which says that it may have been sent before.

    `key` is the idempotency key and `reference` what the effect can be found by later; `payment_id`
    is what the gateway calls the payment that a capture, void or refund is about, or, for who only
    looks, that a charge or authorization has made. `asked_at` is when it was first sent, which
    narrows a search.
    """

    key: str
    reference: str
    kind: OperationKind
    amount: Money
    payment_method: str | None
    payment_id: str | None
    asked_at: datetime
    is_repeat: bool = False

    @classmethod
    def of(cls, operation: PaymentOperation) -> "GatewayRequest":
        return cls(
            key=str(operation.id),
            reference=str(operation.id),
            kind=operation.kind,
            amount=operation.amount,
            payment_method=operation.payment_method,
            payment_id=operation.payment_id,
            asked_at=operation.first_sent_at or operation.created_at,
            is_repeat=operation.may_have_been_sent_before,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One thing that the gateway's books say was done, for whom (`reference`) and when."""

    reference: str
    kind: OperationKind
    amount: Money
    at: datetime


class PaymentGateway(Protocol):
    """Money moves here and nowhere else. Whoever calls sets the time limit: every method may be
    canceled at any await, and what was sent may then have been done."""

    @property
    @abstractmethod
    def name(self) -> str:
        """Written down with each operation, so that no other gateway is ever asked about it."""

    @property
    @abstractmethod
    def remembers_keys_for(self) -> timedelta:
        """For so long the same key is never carried out twice. After that it might be."""

    @abstractmethod
    def accepts(self, payment_method: str | None) -> bool:
        """Whether this gateway could take money with the token, judged by its form alone:
        no I/O. None stands for the gateway's default."""

    @abstractmethod
    async def execute(self, request: GatewayRequest) -> Outcome:
        """Do what is asked unless `request.key` was carried out before; then the same outcome.

        Approved and Declined are the gateway's own definite words. Whatever leaves a doubt is
        Unknown: no connection, no answer, an error of the server, an answer that makes no sense.
        It is `untouched` only where nothing at all was done: the connection was refused, or the
        gateway turned the request away before it looked at it. It raises nothing.
        """

    @abstractmethod
    async def find(self, request: GatewayRequest) -> Outcome | None:
        """What became of `request.reference`, without doing anything. None when the gateway
        answers that it knows nothing of it (yet); Unknown when it cannot be asked.
        It raises nothing.

        An authorization is Approved while it stands and when it was captured or voided in time,
        and Declined with `authorization_expired` once it has lapsed. No money is taken by looking;
        what waits for a payer who is not there may be let go.
        """

    @abstractmethod
    def effects(self, since: datetime) -> AsyncIterator[Effect]:
        """The gateway's books: everything done for us since then, in any order, a double effect
        twice. Raises GatewayUnavailable."""

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections and files."""


class GatewayUnavailable(Exception):
    """The gateway's books cannot be read now. The message says why."""
