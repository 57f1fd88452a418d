"""Whether Stripe can be reached and takes our key."""

import asyncio
from http import HTTPStatus
from typing import Final

from adapters.stripe.client import StripeClient
from adapters.stripe.translate import unanswered
from adapters.stripe.wire import WITH_CAPTURES, WITH_PAYMENTS, Answer, look
from application.ports.readiness import Finding, ReadinessProbe
from domain.payment import Unknown

_PATIENCE_SECONDS: Final = 4.0
_LISTS: Final = (("/v1/payment_intents", WITH_CAPTURES), ("/v1/refunds", WITH_PAYMENTS))


class StripeProbe(ReadinessProbe):
    """Stripe is not required: orders are taken without it, and paid when it is back.

    It asks for one payment intent and one refund with all that is read of them elsewhere, so that
    a restricted key that may not see a part of it is found here and not by the first comparison.
    What a key may write can only be told by writing. https://docs.stripe.com/keys#limit-access
    """

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def examine(self) -> Finding:
        return Finding(name="gateway", problem=await self._ask(), required=False)

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                for path, expanded in _LISTS:
                    answer = await self._client.send(look(path, ("limit", "1"), expanded))
                    problem = _problem(answer)
                    if problem is not None:
                        return problem
        except TimeoutError:
            return _problem(Unknown("timeout"))
        return None


def _problem(answer: Answer | Unknown) -> str | None:
    refusal = answer if isinstance(answer, Unknown) else unanswered(answer)
    if refusal is not None and refusal.problem == "gateway_refused_us":
        return "Stripe refuses the key, or what it may do: check HARBOR_STRIPE_API_KEY."
    if isinstance(answer, Unknown):
        return "Stripe does not answer: check HARBOR_STRIPE_API_BASE and the network."
    if answer.status == HTTPStatus.NOT_FOUND:
        return "This is not where Stripe's API is: check HARBOR_STRIPE_API_BASE."
    if answer.status != HTTPStatus.OK:
        return f"Stripe answers with status {answer.status}: see https://status.stripe.com."
    return None
