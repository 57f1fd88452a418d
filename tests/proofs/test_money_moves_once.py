"""Money moves once, whatever dies or stands still: counted by the gateway's own books.

`pytest tests/proofs/test_money_moves_once.py --full -s`; HARBOR_PROOFS_SEED=… repeats the choices
of a run, though not what the machine makes of them.
"""

import os
import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.databases import PostgresDatabases
from tests.journeys.server import Harbor
from tests.proofs.conftest import Say
from tests.proofs.money_faults import Place
from tests.proofs.money_run import Report, Scale, run, table

pytestmark = pytest.mark.anyio

FULL = Scale(orders=2_000, kills=200, freezes=50, gateway_kills=20)
SMALL = Scale(orders=24, kills=3, freezes=1, gateway_kills=1, at_once=0.3, spread_seconds=0.5)
FOR_MUTANTS = Scale(orders=240, kills=10, freezes=24, gateway_kills=2, settle_seconds=30)
WITHOUT_FAULTS = Scale(
    orders=12, kills=0, freezes=0, gateway_kills=0, spread_seconds=0, until_doubled=True
)
LEAST_HITS = {
    Place.CLAIM: 15,
    Place.BEFORE_CALL: 15,
    Place.AFTER_CHARGE: 30,
    Place.BEFORE_RECORD: 15,
}
"""At full scale some 25 faults aim at each step. On two busy cores, where each fault hits many
operations, it was 50 times as many."""

ONE_EFFECT = "a reference has one effect at most (I3)"
STALE = {
    "only the last claim settles",
    "an attempt ends before the next one starts",
    "no result is recorded after the next claim",
}


@pytest.fixture
async def harbor(postgresql_databases: PostgresDatabases, tmp_path: Path) -> AsyncIterator[Harbor]:
    async with postgresql_databases.fresh() as url:
        yield Harbor(tmp_path, {"HARBOR_DATABASE_URL": url})


@pytest.fixture
def seed(full: bool) -> str:
    """The suite makes the same choices each time."""
    return os.environ.get("HARBOR_PROOFS_SEED") or (secrets.token_hex(4) if full else "suite")


def _examples(report: Report) -> str:
    rules = report.broken_rules()
    found = [
        next(f"{rule}, for example {each.told}" for each in report.violations if each.rule == rule)
        for rule in rules
    ]
    return "\n".join(["", *found, *map(str, report.differences[:3])])


async def test_money_moves_once(harbor: Harbor, full: bool, seed: str, say: Say) -> None:
    report = await run(harbor, FULL if full else SMALL, seed, say)
    say(table(report) + _examples(report))
    scale, hits = report.scale, report.hits
    assert not report.violations, _examples(report)
    assert not report.book.surprises
    assert not report.complaints, report.complaints[:3]
    assert not report.differences
    assert report.stuck is None
    assert len(report.book.placed) == len(report.book.meant) == scale.orders
    # What was never marked, two of the judge's rules would find nothing against.
    assert report.claims >= scale.orders
    assert hits.faults.total() == scale.kills + scale.freezes
    assert hits.gateway_kills == scale.gateway_kills
    assert hits.places.total() > 0
    if full:
        for place, least in LEAST_HITS.items():
            assert hits.at(place) >= least, place
        assert hits.overtaken > 0
        assert report.dropped > 0


@pytest.mark.parametrize("mutant", ["fence", "guard"])
async def test_without_the_fence_the_run_fails(
    harbor: Harbor, full: bool, seed: str, say: Say, mutant: str
) -> None:
    """Removed in the harness: the comparison of the fence alone, then the whole guard. The run is
    the same but shorter, with more freezes in it. The money itself stays right, for the gateway
    knows the operation's key; what breaks is whose result is recorded."""
    if not full:
        pytest.skip("at full scale only: it takes many freezes")
    report = await run(harbor, replace(FOR_MUTANTS, mutant=mutant), seed, say)
    say(table(report) + _examples(report))
    assert report.hits.overtaken > 0
    assert STALE & report.broken_rules().keys()


async def test_with_a_new_key_for_each_attempt_the_run_fails(
    harbor: Harbor, full: bool, seed: str, say: Say
) -> None:
    """A charge whose answer was lost is made again, also without any fault of ours."""
    report = await run(
        harbor, replace(FOR_MUTANTS if full else WITHOUT_FAULTS, mutant="key"), seed, say
    )
    say(table(report) + _examples(report))
    assert report.broken_rules()[ONE_EFFECT] > 0
    assert "double_effect" in {each["kind"] for each in report.differences}
