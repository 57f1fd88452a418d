"""The ledger's books as they lie open on one connection: what is read and written in them."""

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, assert_never

from adapters.simulated.bank import (
    EXPIRED,
    Payment,
    PaymentState,
    authorize,
    change,
    charge,
)
from adapters.simulated.payment_methods import PLAIN, Mishap, PaymentMethod, Reply, payment_method
from application.ports.gateway import Effect, GatewayRequest
from domain.money import Money
from domain.payment import Approved, Declined, Failure, OperationKind

REMEMBERS_KEYS_FOR: Final = timedelta(hours=24)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_NEW_PAYMENTS: Final = (OperationKind.CHARGE, OperationKind.AUTHORIZE)
_ANSWERS: Final = """
    SELECT answers.code, answers.message, effects.reference, effects.kind, effects.amount,
           effects.currency, effects.payment
    FROM answers LEFT JOIN effects ON effects.number = answers.effect
"""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Position:
    """A place in the list of effects: the one at that moment with that number was the last."""

    at: int
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectPage:
    """`next` is None when there is nothing more."""

    effects: tuple[Effect, ...]
    next: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One that arrived, whatever came of it. `number` counts those with its key, from 1."""

    key: str
    number: int
    reference: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Books:
    """Whoever writes is in a transaction."""

    connection: sqlite3.Connection

    def carry_out(self, request: GatewayRequest, now: datetime) -> Reply:
        """Note the call and do what its payment method and the bank's rules say, once for each
        key that is remembered."""
        call = self._note_call(request, now)
        if call is None:
            return Mishap.KEY_REUSED
        method = _method_of(request)
        mishap = method.before(call)
        if mishap is not None:
            return mishap
        outcome = self._remembered(request.key, now)
        if outcome is None:
            outcome = self._act(request, method, now)
        return method.answer(call, outcome)

    def find(self, reference: str, now: datetime) -> Approved | Declined | None:
        """What was done for the reference, else why it was declined; the latest where the same
        was done twice."""
        row = self.connection.execute(
            f"{_ANSWERS} WHERE answers.reference = ?"
            " ORDER BY answers.effect IS NULL, answers.number DESC LIMIT 1",
            (reference,),
        ).fetchone()
        if row is None:
            return None
        kind, payment_id = row[3], row[6]
        if kind == OperationKind.AUTHORIZE:
            payment = self.payment(payment_id)
            if payment is not None and payment.has_lapsed(now):
                return Declined(EXPIRED)
        return self._outcome(row)

    def payment(self, payment_id: str | None) -> Payment | None:
        row = self.connection.execute(
            "SELECT state, currency, authorized, captured, refunded, expires_at FROM payments"
            " WHERE id = ?",
            (payment_id,),
        ).fetchone()
        if row is None or payment_id is None:
            return None
        state, currency, authorized, captured, refunded, expires_at = row
        return Payment(
            id=payment_id,
            state=PaymentState(state),
            authorized=Money(amount_minor=authorized, currency=currency),
            captured=Money(amount_minor=captured, currency=currency),
            refunded=Money(amount_minor=refunded, currency=currency),
            expires_at=None if expires_at is None else moment_of(expires_at),
        )

    def effects(self, since: datetime, after: Position | None, limit: int) -> EffectPage:
        start = Position(at=microseconds(since) - 1, number=2**63 - 1)
        if after is not None and after.at >= microseconds(since):
            start = after
        rows = self.connection.execute(
            "SELECT number, reference, kind, amount, currency, at FROM effects"
            " WHERE (at, number) > (?, ?) ORDER BY at, number LIMIT ?",
            (start.at, start.number, limit),
        ).fetchall()
        return EffectPage(
            effects=tuple(_effect(row) for row in rows),
            next=Position(at=rows[-1][5], number=rows[-1][0]) if len(rows) == limit else None,
        )

    def calls(self, key: str) -> tuple[Call, ...]:
        rows = self.connection.execute(
            "SELECT number, reference, at FROM calls WHERE key = ? ORDER BY number", (key,)
        )
        return tuple(
            Call(key=key, number=number, reference=reference, at=moment_of(at))
            for number, reference, at in rows
        )

    def _note_call(self, request: GatewayRequest, now: datetime) -> int | None:
        """Its number among those with the key; None when the key stands for another request."""
        number: int = self.connection.execute(
            "SELECT coalesce(max(number), 0) + 1 FROM calls WHERE key = ?", (request.key,)
        ).fetchone()[0]
        text = _text_of(request)
        first = self.connection.execute(
            "SELECT request FROM calls WHERE key = ? AND at > ? AND NOT reused"
            " ORDER BY number LIMIT 1",
            (request.key, microseconds(now - REMEMBERS_KEYS_FOR)),
        ).fetchone()
        is_reused = first is not None and first[0] != text
        self.connection.execute(
            "INSERT INTO calls (key, number, reference, request, reused, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (request.key, number, request.reference, text, is_reused, microseconds(now)),
        )
        return None if is_reused else number

    def _remembered(self, key: str, now: datetime) -> Approved | Declined | None:
        row = self.connection.execute(
            f"{_ANSWERS} WHERE answers.key = ? AND answers.at > ?"
            " ORDER BY answers.number DESC LIMIT 1",
            (key, microseconds(now - REMEMBERS_KEYS_FOR)),
        ).fetchone()
        return None if row is None else self._outcome(row)

    def _act(
        self, request: GatewayRequest, method: PaymentMethod, now: datetime
    ) -> Approved | Declined:
        after = method.declined or self._after(request, now)
        if isinstance(after, Failure):
            self._note_answer(request, now, failure=after)
            return Declined(after)
        if request.kind in _NEW_PAYMENTS:
            self._open(after)
        else:
            self._update(after)
        is_void = request.kind is OperationKind.VOID
        # What is let go of is all that was authorized, whatever the caller thought it was.
        amount = after.authorized if is_void else request.amount
        effect = self._note_effect(request, after, amount, now)
        self._note_answer(request, now, effect=effect)
        return _approved(request.reference, amount, after, request.kind)

    def _after(self, request: GatewayRequest, now: datetime) -> Payment | Failure:
        match request.kind:
            case OperationKind.CHARGE:
                return charge(self._new_payment_id(request.reference), request.amount)
            case OperationKind.AUTHORIZE:
                return authorize(self._new_payment_id(request.reference), request.amount, now)
            case OperationKind.CAPTURE | OperationKind.VOID | OperationKind.REFUND:
                payment = self.payment(request.payment_id)
                return change(payment, request.kind, request.amount, now)
            case never:
                assert_never(never)

    def _new_payment_id(self, reference: str) -> str:
        """Of the reference, so that a person recognizes it; a second payment for the same
        reference, which a forgotten key leads to, is another payment."""
        before: int = self.connection.execute(
            "SELECT count(*) FROM answers WHERE reference = ? AND effect IS NOT NULL", (reference,)
        ).fetchone()[0]
        return f"sim_{reference}.{before + 1}" if before else f"sim_{reference}"

    def _open(self, payment: Payment) -> None:
        expires_at = payment.expires_at
        self.connection.execute(
            "INSERT INTO payments"
            " (id, state, currency, authorized, captured, refunded, expires_at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                payment.id,
                payment.state,
                payment.authorized.currency,
                payment.authorized.amount_minor,
                payment.captured.amount_minor,
                payment.refunded.amount_minor,
                None if expires_at is None else microseconds(expires_at),
            ),
        )

    def _update(self, payment: Payment) -> None:
        self.connection.execute(
            "UPDATE payments SET state = ?, captured = ?, refunded = ? WHERE id = ?",
            (
                payment.state,
                payment.captured.amount_minor,
                payment.refunded.amount_minor,
                payment.id,
            ),
        )

    def _note_effect(
        self, request: GatewayRequest, payment: Payment, amount: Money, now: datetime
    ) -> int | None:
        return self.connection.execute(
            "INSERT INTO effects (reference, key, kind, payment, amount, currency, at)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                request.reference,
                request.key,
                request.kind,
                payment.id,
                amount.amount_minor,
                amount.currency,
                microseconds(now),
            ),
        ).lastrowid

    def _note_answer(
        self,
        request: GatewayRequest,
        now: datetime,
        *,
        effect: int | None = None,
        failure: Failure | None = None,
    ) -> None:
        self.connection.execute(
            "INSERT INTO answers (key, reference, effect, code, message, at)"
            " VALUES (?, ?, ?, ?, ?, ?)",
            (
                request.key,
                request.reference,
                effect,
                None if failure is None else failure.code,
                None if failure is None else failure.message,
                microseconds(now),
            ),
        )

    def _outcome(self, row: tuple[Any, ...]) -> Approved | Declined:
        code, message, reference, kind, amount_minor, currency, payment_id = row
        payment = self.payment(payment_id)
        if payment is None:
            return Declined(Failure(code=code, message=message))
        amount = Money(amount_minor=amount_minor, currency=currency)
        return _approved(reference, amount, payment, OperationKind(kind))


def microseconds(moment: datetime) -> int:
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(microseconds_since: int) -> datetime:
    return _EPOCH + microseconds_since * _MICROSECOND


def _method_of(request: GatewayRequest) -> PaymentMethod:
    """Only new payments are made with one."""
    return payment_method(request.payment_method) if request.kind in _NEW_PAYMENTS else PLAIN


def _text_of(request: GatewayRequest) -> str:
    """What has to be the same wherever the key is."""
    return json.dumps(
        [
            request.reference,
            request.kind,
            request.amount.amount_minor,
            request.amount.currency,
            request.payment_method,
            request.payment_id,
        ],
        separators=(",", ":"),
    )


def _approved(reference: str, amount: Money, payment: Payment, kind: OperationKind) -> Approved:
    return Approved(
        reference=reference,
        amount=amount,
        payment_id=payment.id,
        expires_at=payment.expires_at if kind is OperationKind.AUTHORIZE else None,
    )


def _effect(row: tuple[Any, ...]) -> Effect:
    _, reference, kind, amount_minor, currency, at = row
    return Effect(
        reference=reference,
        kind=OperationKind(kind),
        amount=Money(amount_minor=amount_minor, currency=currency),
        at=moment_of(at),
    )
