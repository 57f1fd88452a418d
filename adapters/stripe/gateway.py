"""Stripe as the payment gateway."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, TypeVar

from adapters.stripe.books import LONGEST_HOLD, effects_of_payment, effects_of_refund
from adapters.stripe.client import MISSING, NoPage, StripeClient
from adapters.stripe.payments import (
    Payment,
    Refund,
    is_id,
    marks_of,
    marks_of_payment,
    read_payment,
    read_refund,
)
from adapters.stripe.requests import accepts, customer_of, first_call
from adapters.stripe.translate import (
    Doubt,
    Step,
    conclude,
    found_payment,
    found_refund,
    is_missing,
    unanswered,
)
from adapters.stripe.windows import seconds, whole_window, windows
from adapters.stripe.wire import (
    REFERENCE,
    WITH_CAPTURES,
    WITH_CHARGE,
    WITH_CHARGES,
    WITH_PAYMENTS,
    Call,
    Json,
    look,
)
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable, PaymentGateway
from domain.payment import OperationKind, Outcome, Unknown

Read = TypeVar("Read", Payment, Refund)

_REMEMBERED: Final = timedelta(hours=24)
"""https://docs.stripe.com/api/idempotent_requests"""
PAUSES: Final = tuple(timedelta(seconds=2**doublings) for doublings in range(5))
"""Between the attempts at a page of Stripe's books, half a minute in all."""


class StripeGateway(PaymentGateway):
    """Charges are payment intents; see `translate` for what is asked and how it is understood."""

    def __init__(self, client: StripeClient, *, pauses: Sequence[timedelta] = PAUSES) -> None:
        """An operation makes up to four calls, and looks for itself where the last one leaves a
        doubt. A look is one call where Stripe's id of the payment is known, else as many as there
        are pages, with one at least for each window. The books are read through passing faults:
        each page is asked for once, and again after each of the `pauses`."""
        self._client = client
        self._pauses = pauses

    @property
    def name(self) -> str:
        return "stripe"

    @property
    def remembers_keys_for(self) -> timedelta:
        return _REMEMBERED

    def accepts(self, payment_method: str | None) -> bool:
        return accepts(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        return await self._follow(request, first_call(request))

    async def find(self, request: GatewayRequest) -> Outcome | None:
        """By Stripe's id where it is known, else by going through what was created when it was
        sent. Lists show at once what was done; the search by metadata may be an hour behind, and
        what it does not find might be charged again. https://docs.stripe.com/search#data-freshness

        A payment that waits for a payer is canceled, which takes no money: left to wait, its
        outcome would never be known.
        """
        try:
            if request.kind is OperationKind.REFUND:
                return await self._find_refund(request)
            payment = await self._find_payment(request)
        except NoPage as error:
            # It is the look that has touched nothing.
            return replace(error.unknown, untouched=False)
        step = None if payment is None else found_payment(request, payment)
        return None if step is None else await self._follow(request, step)

    async def effects(self, since: datetime) -> AsyncGenerator[Effect]:
        """Payments are listed by when they were created, so the list begins where one that was
        captured or voided `since` may have begun."""
        since = since.replace(microsecond=0)  # as Stripe dates what it did
        try:
            async with aclosing(self._effects(since)) as effects:
                async for effect in effects:
                    if effect.at >= since:
                        yield effect
        except NoPage as error:
            raise GatewayUnavailable(f"Stripe's books cannot be read: {error}.") from None

    async def close(self) -> None:
        await self._client.close()

    async def _follow(self, request: GatewayRequest, step: Step) -> Outcome:
        while isinstance(step, Call):
            step = conclude(request, step, await self._client.send(step))
        if isinstance(step, Doubt):
            # Looking leaves none: what it may have to send is a cancellation.
            return await self.find(request) or step.otherwise
        return step

    async def _effects(self, since: datetime) -> AsyncGenerator[Effect]:
        """Raises NoPage."""
        begun = _created_since(since - LONGEST_HOLD)
        payments = self._ours("/v1/payment_intents", begun, WITH_CAPTURES, pauses=self._pauses)
        async with aclosing(payments):
            async for item in payments:
                for effect in effects_of_payment(_readable(read_payment(item))):
                    yield effect
        made = _created_since(since)
        refunds = self._ours("/v1/refunds", made, WITH_PAYMENTS, pauses=self._pauses)
        async with aclosing(refunds):
            async for item in refunds:
                for effect in effects_of_refund(_readable_refund(item)):
                    yield effect

    async def _find_payment(self, request: GatewayRequest) -> Payment | None:
        """Raises NoPage."""
        if is_id(request.payment_id, "pi"):
            return await self._retrieve(request.payment_id)
        if request.kind in (OperationKind.CAPTURE, OperationKind.VOID):
            return None
        customer = customer_of(request.payment_method)
        if customer is not None:
            # Of whom there is not much in a day.
            whole = whole_window(request.asked_at)
            try:
                return await self._listed(request, ("customer", customer), *whole)
            except NoPage as error:
                if error.unknown != MISSING:
                    raise
                # A customer whom Stripe does not know: ours may still be among everybody's.
        for window in windows(request.asked_at):
            payment = await self._listed(request, *window)
            if payment is not None:
                return payment
        return None

    async def _retrieve(self, payment_id: str) -> Payment | None:
        answer = await self._client.send(look(f"/v1/payment_intents/{payment_id}", WITH_CHARGE))
        if isinstance(answer, Unknown):
            raise NoPage(answer)
        if is_missing(answer):
            return None
        payment = read_payment(answer.body)
        if answer.status != HTTPStatus.OK or payment is None:
            raise NoPage(unanswered(answer) or Unknown("unreadable"))
        return payment

    async def _listed(self, request: GatewayRequest, *among: tuple[str, str]) -> Payment | None:
        listed = self._ours("/v1/payment_intents", *among, WITH_CHARGES)
        item = await _first_of(request.reference, listed)
        return None if item is None else _readable(read_payment(item))

    async def _find_refund(self, request: GatewayRequest) -> Outcome | None:
        """Raises NoPage."""
        if not is_id(request.payment_id, "pi"):
            return None
        listed = self._ours("/v1/refunds", ("payment_intent", request.payment_id))
        item = await _first_of(request.reference, listed)
        return None if item is None else found_refund(request, _readable(read_refund(item)))

    async def _ours(
        self, path: str, *fields: tuple[str, str], pauses: Sequence[timedelta] = ()
    ) -> AsyncGenerator[Json]:
        """What of a list is marked as ours, or is about what is. Raises NoPage."""
        async with aclosing(self._client.pages(path, *fields, pauses=pauses)) as listed:
            async for item in listed:
                if REFERENCE in marks_of(item) or REFERENCE in marks_of_payment(item):
                    yield item


async def _first_of(reference: str, ours: AsyncGenerator[Json]) -> Json:
    """The first that bears the reference; None when none does."""
    async with aclosing(ours):
        async for item in ours:
            if marks_of(item).get(REFERENCE) == reference:
                return item
    return None


def _readable(read: Read | None) -> Read:
    """What is marked as ours; it is never passed over because it makes no sense.
    Raises NoPage."""
    if read is None:
        raise NoPage(Unknown("unreadable"))
    return read


def _readable_refund(item: Json) -> Refund:
    """With its payment, where only that is marked as ours. Raises NoPage."""
    refund = _readable(read_refund(item))
    if REFERENCE not in refund.marks:
        _readable(refund.payment)
    return refund


def _created_since(moment: datetime) -> tuple[str, str]:
    return ("created[gte]", seconds(moment))
