"""Stripe as the payment gateway."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime, timedelta
from typing import Final, TypeVar

from adapters.stripe import failures
from adapters.stripe.books import LONGEST_HOLD, effects_of_payment, effects_of_refund
from adapters.stripe.client import NoPage, StripeClient
from adapters.stripe.payments import Payment, Refund, is_id, marks_of, read_payment, read_refund
from adapters.stripe.requests import accepts, first_call
from adapters.stripe.translate import (
    REFUSED,
    conclude,
    found_payment,
    found_refund,
    unanswered,
)
from adapters.stripe.wire import REFERENCE, Call, Json, look
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable, PaymentGateway
from domain.payment import Declined, OperationKind, Outcome, Unknown

Read = TypeVar("Read", Payment, Refund)

_REMEMBERED: Final = timedelta(hours=24)
"""https://docs.stripe.com/api/idempotent_requests"""
_CLOCKS_APART: Final = timedelta(minutes=5)
"""By how much our clock may run ahead of Stripe's, which dates what is listed."""
_SOON: Final = timedelta(minutes=15)
_WITH_CHARGE: Final = ("expand[]", "latest_charge")
_WITH_CHARGES: Final = ("expand[]", "data.latest_charge")
_WITH_CAPTURES: Final = ("expand[]", "data.latest_charge.balance_transaction")


class StripeGateway(PaymentGateway):
    """Charges are payment intents; see `translate` for what is asked and how it is understood."""

    def __init__(self, client: StripeClient) -> None:
        """An operation makes up to three calls, a search as many as it has pages."""
        self._client = client

    @property
    def name(self) -> str:
        return "stripe"

    @property
    def remembers_keys_for(self) -> timedelta:
        return _REMEMBERED

    def accepts(self, payment_method: str | None) -> bool:
        return accepts(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        outcome = await self._follow(request, first_call(request))
        if outcome != REFUSED:
            return outcome
        # Stripe took nothing of it, for a reason that we cannot read. When it has nothing of ours
        # from an earlier time either, nothing was done and nothing will be.
        found = await self.find(request)
        return Declined(failures.REFUSED) if found is None else found

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
            return error.unknown
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

    async def _follow(self, request: GatewayRequest, step: Outcome | Call) -> Outcome:
        while isinstance(step, Call):
            step = conclude(request, step, await self._client.send(step))
        return step

    async def _effects(self, since: datetime) -> AsyncGenerator[Effect]:
        """Raises NoPage."""
        begun = _created_since(since - LONGEST_HOLD)
        async with aclosing(self._ours("/v1/payment_intents", begun, _WITH_CAPTURES)) as payments:
            async for item in payments:
                for effect in effects_of_payment(_readable(read_payment(item))):
                    yield effect
        async with aclosing(self._ours("/v1/refunds", _created_since(since))) as refunds:
            async for item in refunds:
                for effect in effects_of_refund(_readable(read_refund(item))):
                    yield effect

    async def _find_payment(self, request: GatewayRequest) -> Payment | None:
        """Raises NoPage."""
        if is_id(request.payment_id, "pi"):
            return await self._retrieve(request.payment_id)
        if request.kind in (OperationKind.CAPTURE, OperationKind.VOID):
            return None
        # Nearly always it was created when it was first asked for; else when it was asked again.
        soon = request.asked_at + _SOON
        last = request.asked_at + _REMEMBERED
        return await self._listed(
            request, ("gte", request.asked_at - _CLOCKS_APART), ("lte", soon)
        ) or await self._listed(request, ("gt", soon), ("lte", last))

    async def _retrieve(self, payment_id: str) -> Payment | None:
        answer = await self._client.send(look(f"/v1/payment_intents/{payment_id}", _WITH_CHARGE))
        if isinstance(answer, Unknown):
            raise NoPage(answer)
        if answer.status == 404:  # noqa: PLR2004 - HTTP
            return None
        payment = read_payment(answer.body)
        if answer.status != 200 or payment is None:  # noqa: PLR2004 - HTTP
            raise NoPage(unanswered(answer) or Unknown("unreadable"))
        return payment

    async def _listed(
        self, request: GatewayRequest, *created: tuple[str, datetime]
    ) -> Payment | None:
        bounds = [(f"created[{bound}]", _seconds(at)) for bound, at in created]
        listed = self._ours("/v1/payment_intents", *bounds, _WITH_CHARGES)
        item = await _first_of(request.reference, listed)
        return None if item is None else _readable(read_payment(item))

    async def _find_refund(self, request: GatewayRequest) -> Outcome | None:
        """Raises NoPage."""
        if not is_id(request.payment_id, "pi"):
            return None
        listed = self._ours("/v1/refunds", ("payment_intent", request.payment_id))
        item = await _first_of(request.reference, listed)
        return None if item is None else found_refund(request, _readable(read_refund(item)))

    async def _ours(self, path: str, *fields: tuple[str, str]) -> AsyncGenerator[Json]:
        """What of a list is marked as ours. Raises NoPage."""
        async with aclosing(self._client.pages(path, *fields)) as listed:
            async for item in listed:
                if REFERENCE in marks_of(item):
                    yield item


async def _first_of(reference: str, ours: AsyncGenerator[Json]) -> Json:
    """The first that bears the reference; None when none does."""
    async with aclosing(ours):
        async for item in ours:
            if marks_of(item)[REFERENCE] == reference:
                return item
    return None


def _readable(read: Read | None) -> Read:
    """What is marked as ours; it is never passed over because it makes no sense.
    Raises NoPage."""
    if read is None:
        raise NoPage(Unknown("unreadable"))
    return read


def _created_since(moment: datetime) -> tuple[str, str]:
    return ("created[gte]", _seconds(moment))


def _seconds(moment: datetime) -> str:
    """As Stripe counts time, which is whole seconds."""
    return str(int(moment.timestamp()))
