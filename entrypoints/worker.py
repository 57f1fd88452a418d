"""The worker: what has to be done without being asked."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Final

from application.ports.faults import StorageUnavailable
from application.ports.gateway import GatewayUnavailable
from application.run_payment_operations import Claimed, RunPaymentOperations
from entrypoints.collector import collect_seldom
from entrypoints.container import Container, shut_down
from entrypoints.deliverer import Deliverer

CLEAN_EVERY_SECONDS: Final = 300.0
HOLD_EVERY_SECONDS: Final = 2.0
COMPARE_EVERY_SECONDS: Final = 86_400.0
COMPARE_FIRST_AFTER_SECONDS: Final = 3_600.0
"""After the start, and after a comparison that failed."""
COMPARED: Final = timedelta(days=2)

_CLAIMED_AT_ONCE: Final = 64
_WORTH_A_CLAIM: Final = 32
_WORTH_PART: Final = 8
"""So many places are free before more is claimed, or that part of all: a claim costs the same for
one as for many. What hangs at the gateway must not keep the rest of the places empty."""
_MOST_BEGUN: Final = 2
"""Times the places: if recording is slower than asking, claims wait for it before their leases
end."""
_NUMBERED_AT_ONCE: Final = 500
_TROUBLE_SECONDS: Final = 1.0
_FILES: Final = 65_536
"""That may be open in a process, connections among them."""
_FOR_WORK_BEGUN: Final = 0.8
"""The part of a stop's time in which it may still end."""

_log = logging.getLogger("harbor.worker")


class Worker:
    """Works until it is stopped, then finishes what it has begun."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._settings = container.settings()
        self._stopping = asyncio.Event()
        self._changed = asyncio.Event()
        """Set when the gateway has answered, when that is recorded, or when it is time to stop."""
        self._at_work: set[asyncio.Task[None]] = set()
        self._delivering: asyncio.Task[None] | None = None
        self._asking = 0
        """How many of them wait for the gateway; the others are being recorded."""
        self._deliverer = Deliverer(
            container.deliver_webhooks(),
            places=self._settings.webhook_concurrency,
            look_seconds=self._settings.worker_poll_seconds,
        )

    async def run(self) -> None:
        _log.info("worker started")
        self._delivering = asyncio.create_task(self._deliverer.run())
        chores = [
            asyncio.create_task(self._each(CLEAN_EVERY_SECONDS, self._clean)),
            asyncio.create_task(self._compare_daily()),
            asyncio.create_task(self._number_events()),
            asyncio.create_task(self._each(HOLD_EVERY_SECONDS, self._hold)),
            self._delivering,
        ]
        try:
            await self._pay()
        finally:
            unfinished = [*chores, *self._at_work, *self._deliverer.at_work]
            for task in unfinished:
                task.cancel()
            await asyncio.gather(*unfinished, return_exceptions=True)
        _log.info("worker stopped")

    def stop(self) -> None:
        self._stopping.set()
        self._changed.set()
        self._deliverer.stop()

    async def _pay(self) -> None:
        """Claim what is due, as much as there is room for, and carry it out; look again at once
        while there is more, and every so often when there is not."""
        run = self._container.run_payment_operations()
        most = self._settings.gateway_concurrency
        while not self._stopping.is_set():
            self._changed.clear()
            room = min(most - self._asking, _MOST_BEGUN * most - len(self._at_work))
            if room < min(_WORTH_A_CLAIM, max(1, most // _WORTH_PART)):
                await self._changed.wait()
                continue
            claimed = await self._claim(run, min(room, _CLAIMED_AT_ONCE))
            for each in claimed:
                self._begin(run, each)
            if not claimed:
                await self._rest(self._settings.worker_poll_seconds)
        await self._finish()

    def _begin(self, run: RunPaymentOperations, claimed: Claimed) -> None:
        self._asking += 1
        task = asyncio.create_task(self._carry_out(run, claimed))
        self._at_work.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._at_work.discard(task)
        self._changed.set()

    def _answered(self) -> None:
        self._asking -= 1
        self._changed.set()

    async def _finish(self) -> None:
        """What is not done in time, somebody takes up when its lease has ended."""
        # A claim that is under way brings turns that are to end as well.
        if self._delivering is not None:
            await asyncio.wait([self._delivering], timeout=_TROUBLE_SECONDS)
        begun = self._at_work | self._deliverer.at_work
        if begun:
            _log.info("finishing what was begun", extra={"count": len(begun)})
            seconds = self._settings.shutdown_seconds * _FOR_WORK_BEGUN
            await asyncio.wait(begun, timeout=seconds)

    async def _claim(self, run: RunPaymentOperations, limit: int) -> Sequence[Claimed]:
        try:
            return await run.claim(limit)
        except StorageUnavailable:
            _log.warning("the database cannot be reached; trying again shortly")
        except Exception:
            # One failure must not end the worker: it is noted, and the next round tries again.
            _log.exception("claiming failed")
        await self._rest(_TROUBLE_SECONDS)
        return ()

    async def _carry_out(self, run: RunPaymentOperations, claimed: Claimed) -> None:
        operation_id = str(claimed.work.operation.id)
        try:
            await run.carry_out(claimed, self._answered)
        except StorageUnavailable:
            _log.warning("an outcome was not recorded", extra={"operation_id": operation_id})
        except Exception:
            _log.exception("an operation failed", extra={"operation_id": operation_id})

    async def _each(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        while not self._stopping.is_set():
            await self._attempt(work)
            await self._rest(seconds)

    async def _attempt(self, work: Callable[[], Awaitable[None]]) -> bool:
        """Whether it went well. One failure must not end the worker."""
        try:
            await work()
        except (StorageUnavailable, GatewayUnavailable) as error:
            _log.warning("trying again later: %s", error)
        except Exception:
            _log.exception("a task of the worker failed")
        else:
            return True
        return False

    async def _number_events(self) -> None:
        number = self._container.number_events()
        while not self._stopping.is_set():
            numbered = 0
            try:
                numbered = await number(_NUMBERED_AT_ONCE)
            except StorageUnavailable:
                _log.warning("events cannot be numbered; trying again shortly")
            except Exception:
                # One failure must not end the worker.
                _log.exception("numbering events failed")
            if numbered:
                self._deliverer.wake()
            if numbered < _NUMBERED_AT_ONCE:
                await self._rest(self._settings.worker_poll_seconds)

    async def _hold(self) -> None:
        deliver = self._container.deliver_webhooks()
        while await deliver.hold() and not self._stopping.is_set():
            pass

    async def _clean(self) -> None:
        cleared = await self._container.drop_expired_answers()()
        if cleared:
            _log.info("expired answers cleared", extra={"count": cleared})

    async def _compare_daily(self) -> None:
        await self._rest(COMPARE_FIRST_AFTER_SECONDS)
        while not self._stopping.is_set():
            done = await self._attempt(self._compare)
            await self._rest(COMPARE_EVERY_SECONDS if done else COMPARE_FIRST_AFTER_SECONDS)

    async def _compare(self) -> None:
        since = self._container.clock().now() - COMPARED
        comparison = await self._container.reconcile()(since)
        for found in comparison.differences:
            _log.error(
                "our books and the gateway's differ",
                extra={
                    "kind": str(found.kind),
                    "order_id": str(found.order_id),
                    "ours": found.ours,
                    "gateway": found.gateway,
                },
            )

    async def _rest(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopping.wait()
        except TimeoutError:
            return


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """The event loop that the server runs on too, for it is the quicker one; the standard library's
    where there is none."""
    try:
        import uvloop  # noqa: PLC0415 - not for every platform
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def raise_file_limit() -> None:
    """To what the system allows: each attempt of a webhook has a connection of its own."""
    try:
        import resource  # noqa: PLC0415 - not for every platform
    except ImportError:
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


async def run_worker_process(container: Container) -> None:
    """The worker alone, until SIGINT or SIGTERM."""
    worker = Worker(container)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, worker.stop)
    try:
        if container.settings().is_embedded:
            await container.migrate()
        collect_seldom()
        raise_file_limit()
        await worker.run()
    finally:
        await shut_down(container)
