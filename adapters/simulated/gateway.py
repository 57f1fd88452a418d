"""The simulated gateway inside this process."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Final, assert_never

from adapters.simulated.books import REMEMBERS_KEYS_FOR
from adapters.simulated.clerk import LedgerBusy, LedgerUnavailable
from adapters.simulated.ledger import Ledger
from adapters.simulated.payment_methods import SLOW_SECONDS, Answer, Mishap, is_accepted
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable, PaymentGateway
from application.ports.readiness import Finding, ReadinessProbe
from domain.payment import Outcome, Unknown

NAME: Final = "simulated"

_TRY_AGAIN_AFTER: Final = timedelta(seconds=1)
_PATIENCE_SECONDS: Final = 5.0


class SimulatedGateway(PaymentGateway):
    """The payment method chooses the outcome. Where no answer comes, `execute` waits until it is
    canceled; what was done is in the ledger by then."""

    def __init__(self, ledger: Ledger, *, slow_seconds: float = SLOW_SECONDS) -> None:
        self._ledger = ledger
        self._slow_seconds = slow_seconds

    @property
    def name(self) -> str:
        return NAME

    @property
    def remembers_keys_for(self) -> timedelta:
        return REMEMBERS_KEYS_FOR

    def accepts(self, payment_method: str | None) -> bool:
        return is_accepted(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        try:
            reply = await self._ledger.carry_out(request)
        except LedgerBusy:
            return Unknown("throttled", _TRY_AGAIN_AFTER)
        except LedgerUnavailable:
            return Unknown("gateway_error")
        match reply:
            case Answer(outcome=outcome, is_slow=is_slow):
                if is_slow:
                    await asyncio.sleep(self._slow_seconds)
                return outcome
            case Mishap.SILENCE:
                never_comes: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
                return await never_comes
            case Mishap.ERROR:
                return Unknown("gateway_error")
            case Mishap.KEY_REUSED:
                return Unknown("key_reused")
            case never:
                assert_never(never)

    async def find(self, request: GatewayRequest) -> Outcome | None:
        try:
            return await self._ledger.find(request.reference)
        except LedgerUnavailable:
            return Unknown("gateway_error")

    async def effects(self, since: datetime) -> AsyncIterator[Effect]:
        after = None
        while True:
            try:
                page = await self._ledger.effects(since, after)
            except LedgerUnavailable as error:
                raise GatewayUnavailable(str(error)) from error
            for effect in page.effects:
                yield effect
            if page.next is None:
                return
            after = page.next

    async def close(self) -> None:
        await self._ledger.close()


class SimulatedGatewayProbe(ReadinessProbe):
    """It is there whenever the process is, unless its ledger cannot be written."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def examine(self) -> Finding:
        problem = None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._ledger.examine()
        except (LedgerUnavailable, TimeoutError):
            problem = (
                "The simulated gateway's ledger cannot be written: check HARBOR_DATA_DIR and the"
                " space on its disk."
            )
        return Finding(name="gateway", problem=problem, required=False)
