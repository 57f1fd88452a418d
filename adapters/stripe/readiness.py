"""Whether Stripe can be reached and takes our key."""

import asyncio
from typing import Final

from adapters.stripe.client import StripeClient
from adapters.stripe.translate import unanswered
from adapters.stripe.wire import Answer, look
from application.ports.readiness import Finding, ReadinessProbe
from domain.payment import Unknown

_PATIENCE_SECONDS: Final = 4.0


class StripeProbe(ReadinessProbe):
    """Stripe is not required: orders are taken without it, and paid when it is back.

    It asks for one payment intent, which is what Harbor's key has to be allowed to read; a
    restricted key need not see the balance. https://docs.stripe.com/keys#limit-access
    """

    def __init__(self, client: StripeClient) -> None:
        self._client = client

    async def examine(self) -> Finding:
        answer = await self._ask()
        return Finding(name="gateway", problem=_problem(answer), required=False)

    async def _ask(self) -> Answer | Unknown:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._client.send(look("/v1/payment_intents", ("limit", "1")))
        except TimeoutError:
            return Unknown("timeout")


def _problem(answer: Answer | Unknown) -> str | None:
    refusal = answer if isinstance(answer, Unknown) else unanswered(answer)
    if refusal == Unknown("gateway_refused_us"):
        return "Stripe refuses the key, or what it may do: check HARBOR_STRIPE_API_KEY."
    if isinstance(answer, Unknown):
        return "Stripe does not answer: check HARBOR_STRIPE_API_BASE and the network."
    if answer.status != 200:  # noqa: PLR2004 - HTTP
        return f"Stripe answers with status {answer.status}: see https://status.stripe.com."
    return None
