"""The simulated gateway: the payment method chooses the outcome."""

from typing import Final

from application.ports.gateway import PaymentGateway
from application.ports.readiness import Finding, ReadinessProbe

PAYMENT_METHODS: Final = frozenset(
    {
        "sim_approve",
        "sim_decline",
        "sim_insufficient_funds",
        "sim_slow",
        "sim_timeout_before",
        "sim_timeout_after",
        "sim_error",
        "sim_unknown_then_declined",
    }
)


class SimulatedGateway(PaymentGateway):
    def accepts(self, payment_method: str | None) -> bool:
        return payment_method is None or payment_method in PAYMENT_METHODS


class SimulatedGatewayProbe(ReadinessProbe):
    """It runs in this process, so that it is there whenever the process is."""

    async def examine(self) -> Finding:
        return Finding(name="gateway", problem=None, required=False)
