"""Placing an order."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.simulated.payment_methods import PAYMENT_METHODS
from application.json_text import render
from application.order_document import order_document
from application.place_order import PlaceOrder, PlaceOrderCommand
from application.ports.orders import OrderFilter
from domain.errors import DomainError
from domain.money import Money
from tests.application.conftest import World
from tests.application.scripted_gateway import ScriptedGateway
from tests.examples import a_request

pytestmark = pytest.mark.anyio


class StrictGateway(ScriptedGateway):
    """Another gateway than the one that took the first request."""

    def accepts(self, payment_method: str | None) -> bool:
        return False


def a_command(world: World, **changes: Any) -> PlaceOrderCommand:
    body = {name: str(value) for name, value in changes.items()}
    return PlaceOrderCommand(claim=world.claim(**body), request=a_request(**changes))


async def test_the_answer_is_the_document_of_the_order_that_is_now_there(world: World) -> None:
    answer = await world.place_order(a_command(world))
    which = OrderFilter(merchant_id=world.merchant_id)
    (listed,) = (await world.orders.page(which, None, 9)).items
    order = await world.orders.get(world.merchant_id, listed.id)
    assert order is not None
    assert listed.json.encode() == answer.body
    assert answer.body == render(order_document(order))
    assert answer.location == f"/v1/orders/{order.id}"
    assert json.loads(answer.body)["created_at"] == "2026-11-21T02:17:39.000120Z"
    assert order.request == a_request()
    assert order.idempotency_key == "a key"


async def test_a_repeat_shows_the_order_as_it_was_then(world: World) -> None:
    first = await world.place_order(a_command(world))
    world.clock.advance(timedelta(days=1))
    assert await world.place_order(a_command(world)) == replace(first, replayed=True)


async def test_an_amount_out_of_range_leaves_the_key_usable(world: World) -> None:
    with pytest.raises(DomainError) as refusal:
        await world.place_order(
            a_command(world, amount=Money(amount_minor=10_000_001, currency="EUR"))
        )
    assert refusal.value.code == "amount_out_of_range"
    assert not (await world.place_order(a_command(world))).replayed


@pytest.mark.parametrize("method", [None, *sorted(PAYMENT_METHODS)])
async def test_the_payment_methods_of_the_gateway_are_accepted(
    world: World, method: str | None
) -> None:
    answer = await world.place_order(a_command(world, payment_method=method))
    assert json.loads(answer.body)["payment_method"] == method


@pytest.mark.parametrize("method", ["", "SIM_APPROVE", "sim_approve ", "tok_visa"])
async def test_another_payment_method_is_refused(world: World, method: str) -> None:
    with pytest.raises(DomainError) as refusal:
        await world.place_order(a_command(world, payment_method=method))
    assert (refusal.value.code, refusal.value.field) == (
        "payment_method_unknown",
        "payment_method",
    )


async def test_a_repeat_is_answered_even_if_the_gateway_would_refuse_it_today(
    world: World,
) -> None:
    first = await world.place_order(a_command(world))
    place_order = PlaceOrder(once=world.once, gateway=StrictGateway(world.clock), ids=world.ids)
    assert await place_order(a_command(world)) == replace(first, replayed=True)
