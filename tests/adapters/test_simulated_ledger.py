"""The simulated gateway's ledger: what it has answered is in it, whatever happens to a process."""

import asyncio
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from adapters.simulated.clerk import LedgerUnavailable
from adapters.simulated.gateway import SimulatedGateway, SimulatedGatewayProbe
from adapters.simulated.ledger import Ledger
from adapters.simulated.payment_methods import PAYMENT_METHODS, Answer, Mishap, Reply
from application.ports.gateway import Effect, GatewayRequest, GatewayUnavailable
from domain.money import Money
from domain.payment import Approved, Declined, OperationKind, Unknown
from tests.adapters import ledger_writer
from tests.contracts.gateways import WatchedLedger
from tests.fakes import NOW, FakeClock

pytestmark = pytest.mark.anyio

LONG_AGO = NOW - timedelta(days=3_650)
ENDLESSLY = 10_000_000
A_DAY = timedelta(hours=24)
MICROSECOND = timedelta(microseconds=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gateway.db"


@asynccontextmanager
async def opened(path: Path, clock: FakeClock | None = None) -> AsyncIterator[Ledger]:
    ledger = Ledger(path, clock or FakeClock())
    try:
        yield ledger
    finally:
        await ledger.close()


def a_charge(number: int = 0, **changes: Any) -> GatewayRequest:
    return replace(ledger_writer.the_charge("a charge", number), **changes)


async def all_effects(ledger: Ledger) -> list[Effect]:
    found: list[Effect] = []
    after = None
    while True:
        page = await ledger.effects(LONG_AGO, after)
        found += page.effects
        if page.next is None:
            return found
        after = page.next


async def times_charged(ledger: Ledger) -> Counter[str]:
    return Counter(effect.reference for effect in await all_effects(ledger))


# What each payment method does.


def heard(reply: Reply) -> str:
    if isinstance(reply, Mishap):
        return reply.name.lower()
    if isinstance(reply.outcome, Declined):
        return reply.outcome.failure.code
    return "slowly approved" if reply.is_slow else "approved"


def found(outcome: Approved | Declined | None) -> str:
    return "nothing" if outcome is None else heard(Answer(outcome))


# For each call with one key: what is heard, what is found by then, and how often it was charged.
BEHAVIOUR: dict[str | None, list[tuple[str, str, int]]] = {
    None: [("approved", "approved", 1)] * 3,
    "sim_approve": [("approved", "approved", 1)] * 3,
    "sim_decline": [("card_declined", "card_declined", 0)] * 3,
    "sim_insufficient_funds": [("insufficient_funds", "insufficient_funds", 0)] * 3,
    "sim_slow": [("slowly approved", "approved", 1)] * 3,
    "sim_timeout_before": [("silence", "nothing", 0), *[("approved", "approved", 1)] * 3],
    "sim_timeout_after": [("silence", "approved", 1), *[("approved", "approved", 1)] * 3],
    "sim_error": [*[("error", "nothing", 0)] * 3, *[("approved", "approved", 1)] * 3],
    "sim_unknown_then_declined": [
        ("silence", "card_declined", 0),
        *[("card_declined", "card_declined", 0)] * 3,
    ],
    "another gateway's": [("payment_method_unknown", "payment_method_unknown", 0)] * 2,
}


def test_the_behaviour_of_every_payment_method_is_told() -> None:
    assert set(BEHAVIOUR) == {*PAYMENT_METHODS, None, "another gateway's"}


@pytest.mark.parametrize("kind", [OperationKind.CHARGE, OperationKind.AUTHORIZE])
@pytest.mark.parametrize("name", BEHAVIOUR)
async def test_a_payment_method_behaves_as_told_by_a_gateway_that_starts_anew_for_each_call(
    path: Path, name: str | None, kind: OperationKind
) -> None:
    request = a_charge(payment_method=name, kind=kind)
    told = []
    for _ in BEHAVIOUR[name]:
        async with opened(path) as ledger:
            reply = await ledger.carry_out(request)
            outcome = await ledger.find(request.reference)
            charged = (await times_charged(ledger))[request.reference]
            told.append((heard(reply), found(outcome), charged))
    assert told == BEHAVIOUR[name]
    async with opened(path) as ledger:
        calls = [call.number for call in await ledger.calls(request.key)]
    assert calls == list(range(1, len(told) + 1))


@pytest.mark.parametrize("name", ["sim_timeout_before", "sim_error", "sim_timeout_after"])
async def test_each_key_has_calls_of_its_own(path: Path, name: str) -> None:
    async with opened(path) as ledger:
        for number in range(3):
            request = a_charge(number, payment_method=name)
            assert heard(await ledger.carry_out(request)) == BEHAVIOUR[name][0][0]


async def test_a_payment_method_says_nothing_about_captures_and_refunds(path: Path) -> None:
    async with opened(path) as ledger:
        reply = await ledger.carry_out(a_charge(9))
        assert isinstance(reply, Answer)
        assert isinstance(reply.outcome, Approved)
        refund = a_charge(
            1,
            kind=OperationKind.REFUND,
            payment_method="sim_decline",
            payment_id=reply.outcome.payment_id,
        )
        assert heard(await ledger.carry_out(refund)) == "approved"


# How long a key is remembered.


async def test_a_key_is_remembered_for_a_day_and_not_a_moment_longer(path: Path) -> None:
    clock = FakeClock()
    async with opened(path, clock) as ledger:
        request = a_charge()
        first = await ledger.carry_out(request)
        clock.advance(A_DAY - MICROSECOND)
        assert await ledger.carry_out(request) == first
        assert await times_charged(ledger) == {request.reference: 1}
        clock.advance(MICROSECOND)
        assert await ledger.carry_out(request) != first
        assert await times_charged(ledger) == {request.reference: 2}


async def test_a_forgotten_key_may_stand_for_another_request(path: Path) -> None:
    clock = FakeClock()
    other = a_charge(amount=Money(amount_minor=5, currency="JPY"))
    async with opened(path, clock) as ledger:
        await ledger.carry_out(a_charge())
        assert await ledger.carry_out(other) is Mishap.KEY_REUSED
        clock.advance(A_DAY)
        assert heard(await ledger.carry_out(other)) == "approved"


async def test_a_key_stands_for_its_request_from_the_first_call_answered_or_not(
    path: Path,
) -> None:
    async with opened(path) as ledger:
        await ledger.carry_out(a_charge(payment_method="sim_error"))
        assert await ledger.carry_out(a_charge()) is Mishap.KEY_REUSED
        assert await times_charged(ledger) == {}


async def test_a_request_that_was_refused_does_not_take_the_key(path: Path) -> None:
    clock = FakeClock()
    other = a_charge(amount=Money(amount_minor=5, currency="JPY"))
    async with opened(path, clock) as ledger:
        await ledger.carry_out(a_charge())
        clock.advance(A_DAY / 2)
        assert await ledger.carry_out(other) is Mishap.KEY_REUSED
        clock.advance(A_DAY / 2)
        assert heard(await ledger.carry_out(a_charge())) == "approved"


async def test_what_was_done_is_found_whatever_was_declined_for_the_same_reference_later(
    path: Path,
) -> None:
    async with opened(path) as ledger:
        await ledger.carry_out(a_charge())
        declined = a_charge(key="another key", payment_method="sim_decline")
        assert heard(await ledger.carry_out(declined)) == "card_declined"
        assert found(await ledger.find(declined.reference)) == "approved"


async def test_another_key_for_the_same_reference_is_another_payment(path: Path) -> None:
    async with opened(path) as ledger:
        replies = [await ledger.carry_out(a_charge(key=key)) for key in ("one", "other")]
        payments = {
            reply.outcome.payment_id
            for reply in replies
            if isinstance(reply, Answer) and isinstance(reply.outcome, Approved)
        }
        assert len(payments) == 2
        assert await times_charged(ledger) == {a_charge().reference: 2}


# Processes.


@asynccontextmanager
async def writing(path: Path, prefix: str, count: int) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", ledger_writer.__name__, str(path), prefix, str(count)),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


def output_of(process: asyncio.subprocess.Process) -> asyncio.StreamReader:
    assert process.stdout is not None
    return process.stdout


async def test_what_was_acknowledged_survives_a_kill_in_the_middle_of_writing(path: Path) -> None:
    acknowledged: list[str] = []
    for number in range(4):
        async with writing(path, f"life-{number}", ENDLESSLY) as process:
            output = output_of(process)
            acknowledged += [(await output.readline()).decode() for _ in range(150)]
            process.kill()
            # What was said before it died; the last line may be cut short.
            rest = (await output.read()).decode().splitlines(keepends=True)
            acknowledged += [line for line in rest if line.endswith("\n")]
    async with opened(path) as ledger:
        charged = await times_charged(ledger)
        assert {line.strip() for line in acknowledged} <= set(charged)
        assert set(charged.values()) == {1}
        # And it goes on where it was.
        again = a_charge(149, key="life-3-149", reference="life-3-149")
        await ledger.carry_out(again)
        assert (await times_charged(ledger))[again.reference] == 1


async def test_processes_that_share_a_file_charge_each_key_once(path: Path) -> None:
    count = 300
    async with writing(path, "both", count) as one, writing(path, "both", count) as other:
        said = await asyncio.gather(output_of(one).read(), output_of(other).read())
        assert [await one.wait(), await other.wait()] == [0, 0]
    references = sorted(f"both-{number}" for number in range(count))
    assert [sorted(each.decode().split()) for each in said] == [references, references]
    async with opened(path) as ledger:
        assert await times_charged(ledger) == dict.fromkeys(references, 1)
        calls = [len(await ledger.calls(reference)) for reference in references]
    assert calls == [2] * count


async def test_ledgers_that_make_the_file_at_the_same_time_share_it(path: Path) -> None:
    ledgers = [Ledger(path, FakeClock()) for _ in range(8)]
    replies = await asyncio.gather(*(ledger.carry_out(a_charge()) for ledger in ledgers))
    assert len(set(replies)) == 1
    assert await times_charged(ledgers[0]) == {a_charge().reference: 1}
    for ledger in ledgers:
        await ledger.close()


# The file.


async def test_an_effect_can_be_neither_changed_nor_removed(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.carry_out(a_charge())
    with closing(sqlite3.connect(path)) as connection:
        for statement in (
            "UPDATE effects SET amount = 0",
            "DELETE FROM effects",
            "INSERT OR REPLACE INTO effects SELECT number, reference, key, kind, payment, 0,"
            " currency, at FROM effects",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)


async def test_a_commit_is_on_the_disk_before_it_is_acknowledged(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.carry_out(a_charge())
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        full = await ledger._writer.read(
            lambda connection: connection.execute("PRAGMA synchronous").fetchone()
        )
    assert full == (2,)


async def test_who_waits_for_another_process_does_not_hold_up_the_event_loop(path: Path) -> None:
    async with opened(path) as ledger:
        await ledger.carry_out(a_charge(1))
        with closing(sqlite3.connect(path, isolation_level=None)) as another:
            another.execute("BEGIN IMMEDIATE")
            waiting = asyncio.create_task(ledger.carry_out(a_charge(2)))
            # Looking does not wait at all.
            assert await ledger.find(a_charge(1).reference) is not None
            assert await ledger.find(a_charge(2).reference) is None
            assert not waiting.done()
            another.execute("COMMIT")
            assert heard(await waiting) == "approved"


def unusable_files(directory: Path) -> list[Path]:
    not_a_database = directory / "not-a-database"
    not_a_database.write_bytes(b"what is this? " * 1_000)
    of_another_version = directory / "of-another-version"
    with closing(sqlite3.connect(of_another_version)) as connection:
        connection.execute("PRAGMA user_version = 99")
    return [not_a_database, of_another_version, not_a_database / "below-a-file"]


async def test_a_file_that_cannot_be_used_is_unknown_and_raises_nothing(tmp_path: Path) -> None:
    for path in unusable_files(tmp_path):
        gateway = SimulatedGateway(Ledger(path, FakeClock()))
        assert await gateway.execute(a_charge()) == Unknown("gateway_error")
        assert await gateway.find(a_charge()) == Unknown("gateway_error")
        with pytest.raises(GatewayUnavailable):
            await anext(gateway.effects(NOW))
        await gateway.close()


async def test_the_probe_says_whether_the_ledger_can_be_written(tmp_path: Path, path: Path) -> None:
    async with opened(path) as ledger:
        finding = await SimulatedGatewayProbe(ledger).examine()
        assert (finding.name, finding.problem) == ("gateway", None)
    for unusable in unusable_files(tmp_path):
        async with opened(unusable) as ledger:
            assert (await SimulatedGatewayProbe(ledger).examine()).problem


async def test_a_closed_ledger_says_so_and_may_be_closed_again(path: Path) -> None:
    ledger = Ledger(path, FakeClock())
    await ledger.carry_out(a_charge())
    for _ in range(2):
        await ledger.close()
    with pytest.raises(LedgerUnavailable):
        await ledger.carry_out(a_charge())
    with pytest.raises(LedgerUnavailable):
        await ledger.find("a charge")


async def test_closing_waits_for_what_is_under_way(path: Path) -> None:
    ledger = Ledger(path, FakeClock())
    asked = [asyncio.create_task(ledger.carry_out(a_charge(number))) for number in range(50)]
    await asyncio.sleep(0)
    await ledger.close()
    assert {heard(await each) for each in asked} == {"approved"}


async def test_a_slow_answer_is_slow_and_what_it_tells_of_is_done_before(path: Path) -> None:
    ledger = WatchedLedger(path, FakeClock())
    gateway = SimulatedGateway(ledger, slow_seconds=3_600)
    request = a_charge(payment_method="sim_slow")
    asking = asyncio.create_task(gateway.execute(request))
    await ledger.dealt_with(request.key).wait()
    found_meanwhile = await gateway.find(request)
    assert isinstance(found_meanwhile, Approved)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    at_once = SimulatedGateway(ledger, slow_seconds=0)
    assert await at_once.execute(request) == found_meanwhile
    await ledger.close()
