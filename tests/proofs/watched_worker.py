"""The product's own worker, watched: `python -m tests.proofs.watched_worker --marks FILE`.

What lies around its two ports leaves a mark at each step and, so that steps of no length can be
hit too, stays there for some random milliseconds. `--mutant` breaks a promise on purpose: then the
proofs have to fail. Nothing here is in the product.
"""

import argparse
import asyncio
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from dependency_injector.providers import Object

from adapters.sql import payment_operations as sql
from application.ports.faults import StorageUnavailable
from application.ports.gateway import Effect, GatewayRequest, PaymentGateway
from application.ports.payment_operations import Decide, PaymentOperations, Result, Work
from domain.payment import Outcome, PaymentOperation
from domain.settlement import Settlement
from entrypoints.cli_output import settings_of_this_process
from entrypoints.container import Container
from entrypoints.worker import run_worker_process
from tests.proofs.money_marks import MarkWriter, Step

MUTANTS: Final = ("none", "fence", "guard", "key")

Answer = TypeVar("Answer")


class Watch:
    """The marks, the fence of each claim, and the stays."""

    def __init__(self, marks: Path, seed: str, longest_stay: float) -> None:
        self.marks = MarkWriter(marks)
        self._random = random.Random(seed)
        self._longest_stay = longest_stay
        self._last: dict[str, int] = {}
        self._of_task: WeakKeyDictionary[asyncio.Task[object], int] = WeakKeyDictionary()

    def claimed(self, operation: PaymentOperation) -> None:
        self._last[str(operation.id)] = operation.fence

    def fence(self, reference: str) -> int:
        """Of the claim that the running task carries out: the last one when it was first asked."""
        task = asyncio.current_task()
        assert task is not None
        return self._of_task.setdefault(task, self._last[reference])

    async def stay(self) -> None:
        await asyncio.sleep(self._stay())

    def stay_in_transaction(self) -> None:
        """What decides is no coroutine, so that the whole process stays."""
        time.sleep(self._stay() / 2)

    def _stay(self) -> float:
        return self._random.uniform(0, self._longest_stay)


class WatchedOperations(PaymentOperations):
    def __init__(self, real: sql.SqlPaymentOperations, watch: Watch) -> None:
        self._real = real
        self._watch = watch

    async def claim(self, gateway: str, decide: Decide, limit: int) -> Sequence[Work]:
        stayed = False

        def watched(work: Work, now: datetime) -> Settlement:
            nonlocal stayed
            settlement = decide(work, now)
            taken = settlement.operation
            if taken.is_claimed:
                self._watch.marks.put(Step.TAKING, str(taken.id), taken.fence)
                if not stayed:
                    self._watch.stay_in_transaction()
                stayed = True
            return settlement

        works = await self._real.claim(gateway, watched, limit)
        for operation in (work.operation for work in works):
            started_at = operation.updated_at.isoformat()
            self._watch.marks.put(Step.CLAIMED, str(operation.id), operation.fence, started_at)
            self._watch.claimed(operation)
        return works

    async def claim_one(self, operation_id: UUID, gateway: str, decide: Decide) -> Work | None:
        raise NotImplementedError("no worker does this")

    async def record(self, result: Result) -> bool:
        operation, fence = str(result.claimed.id), result.claimed.fence
        await self._watch.stay()
        self._watch.marks.put(Step.RECORDING, operation, fence)
        try:
            recorded = await self._real.record(result)
        except StorageUnavailable:
            self._watch.marks.put(Step.UNSAVED, operation, fence)
            raise
        step = Step.RECORDED if recorded else Step.DROPPED
        self._watch.marks.put(step, operation, fence)
        return recorded

    async def drain(self) -> None:
        await self._real.drain()


class WatchedGateway(PaymentGateway):
    def __init__(self, real: PaymentGateway, watch: Watch, *, new_key_each_time: bool) -> None:
        self._real = real
        self._watch = watch
        self._new_key_each_time = new_key_each_time

    @property
    def name(self) -> str:
        return self._real.name

    @property
    def remembers_keys_for(self) -> timedelta:
        return self._real.remembers_keys_for

    def accepts(self, payment_method: str | None) -> bool:
        return self._real.accepts(payment_method)

    async def execute(self, request: GatewayRequest) -> Outcome:
        if self._new_key_each_time:
            fence = self._watch.fence(request.reference)
            request = replace(request, key=f"{request.key}.{fence}")
        return await self._watched(self._real.execute, request)

    async def find(self, request: GatewayRequest) -> Outcome | None:
        return await self._watched(self._real.find, request)

    def effects(self, since: datetime) -> AsyncIterator[Effect]:
        return self._real.effects(since)

    async def close(self) -> None:
        await self._real.close()

    async def _watched(
        self, call: Callable[[GatewayRequest], Awaitable[Answer]], request: GatewayRequest
    ) -> Answer:
        operation, fence = request.reference, self._watch.fence(request.reference)
        await self._watch.stay()
        self._watch.marks.put(Step.CALLING, operation, fence)
        try:
            answer = await call(request)
            # The gateway has answered, and here nobody has heard it yet.
            await self._watch.stay()
        finally:
            self._watch.marks.put(Step.CALLED, operation, fence)
        return answer


def _break(mutant: str) -> None:
    """Weaken the guard of the recording."""
    if mutant == "fence":
        sql.is_held_by = lambda claimed, now: now.is_claimed
    elif mutant == "guard":
        sql.is_held_by = lambda claimed, now: True


def _watched_container(marks: Path, seed: str, longest_stay: float, mutant: str) -> Container:
    container = Container(settings=settings_of_this_process())
    watch = Watch(marks, seed, longest_stay)
    operations = WatchedOperations(container.operations(), watch)
    gateway = WatchedGateway(container.gateway(), watch, new_key_each_time=mutant == "key")
    container.operations.override(Object(operations))
    container.gateway.override(Object(gateway))
    return container


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--marks", type=Path, required=True)
    parser.add_argument("--seed", default="")
    parser.add_argument("--longest-stay", type=float, default=0.0, help="in seconds")
    parser.add_argument("--mutant", choices=MUTANTS, default="none")
    asked = parser.parse_args()
    _break(asked.mutant)
    container = _watched_container(asked.marks, asked.seed, asked.longest_stay, asked.mutant)
    asyncio.run(run_worker_process(container))


if __name__ == "__main__":
    main()
