"""Fetching one refund."""

from uuid import UUID

import pytest

from application.errors import RefundNotFound
from application.get_refund import GetRefund
from application.refund_document import refund_json
from domain.payment import OperationState
from tests.application.conftest import World
from tests.examples import ids

pytestmark = pytest.mark.anyio


async def test_a_refund_is_shown_as_it_is_now(world: World) -> None:
    order = await world.paid()
    answer = await world.refund(order, 400, reason="broken")
    refund_id = UUID(answer.location.removeprefix("/v1/refunds/"))
    get_refund = GetRefund(history=world.history)
    refund = await get_refund(world.merchant_id, refund_id)
    assert refund_json(refund).encode() == answer.body
    assert (refund.reason, refund.state) == ("broken", OperationState.PENDING)
    await world.work()
    refund = await get_refund(world.merchant_id, refund_id)
    assert '"status":"succeeded"' in refund_json(refund)


async def test_a_refund_whose_outcome_is_unknown_is_pending(world: World) -> None:
    order = await world.paid()
    await world.refund(order)
    claimed = await world.claim_one(world.worker())
    found = await GetRefund(history=world.history)(world.merchant_id, claimed.work.operation.id)
    assert found.state is OperationState.UNKNOWN
    assert '"status":"pending"' in refund_json(found)


async def test_what_is_not_a_refund_or_not_there_or_another_merchants_is_not_found(
    world: World,
) -> None:
    order = await world.paid()
    answer = await world.refund(order)
    refund_id = UUID(answer.location.removeprefix("/v1/refunds/"))
    charge = (await world.told(order)).operations[0].operation
    get_refund = GetRefund(history=world.history)
    for merchant_id, wanted in (
        (world.merchant_id, charge.id),
        (world.merchant_id, ids.new()),
        (ids.new(), refund_id),
    ):
        with pytest.raises(RefundNotFound):
            await get_refund(merchant_id, wanted)
