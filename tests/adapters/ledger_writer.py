"""A process that charges through a ledger and tells of each charge that was acknowledged.

python -m tests.adapters.ledger_writer FILE PREFIX COUNT
"""

import asyncio
import sys
from pathlib import Path

from adapters.simulated.ledger import Ledger
from adapters.simulated.payment_methods import Answer
from adapters.system import SystemClock
from application.ports.gateway import GatewayRequest
from domain.money import Money
from domain.payment import OperationKind

AT_ONCE = 16


def the_charge(prefix: str, number: int) -> GatewayRequest:
    return GatewayRequest(
        key=f"{prefix}-{number}",
        reference=f"{prefix}-{number}",
        kind=OperationKind.CHARGE,
        amount=Money(amount_minor=number + 1, currency="EUR"),
        payment_method=None,
        payment_id=None,
        asked_at=SystemClock().now(),
    )


async def main(path: Path, prefix: str, count: int) -> None:
    ledger = Ledger(path, SystemClock())
    numbers = iter(range(count))

    async def charge_one_by_one() -> None:
        for number in numbers:
            request = the_charge(prefix, number)
            reply = await ledger.carry_out(request)
            assert isinstance(reply, Answer)
            sys.stdout.write(f"{request.reference}\n")
            sys.stdout.flush()

    await asyncio.gather(*(charge_one_by_one() for _ in range(AT_ONCE)))
    await ledger.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
