"""The judge: what the gateway's own books and the tables say, without the product's help."""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Table, select

from adapters.sql.database import Database
from adapters.sql.tables import (
    events,
    idempotency_keys,
    orders,
    payment_attempts,
    payment_operations,
)
from tests.databases import closing as closing_database
from tests.proofs.money_marks import Claimed
from tests.proofs.money_traffic import Book

Row = Mapping[str, Any]
Starts = Mapping[tuple[str, int], datetime]
"""When each claim of each operation began, by the database's clock."""

_TAKING: Final = ("charge", "capture")
_DONE: Final = ("succeeded", "held")
_DEFINITE: Final = ("approved", "declined")


@dataclass(frozen=True, slots=True)
class Violation:
    """`rule` is what does not hold, `told` of what."""

    rule: str
    told: str


@dataclass(frozen=True, slots=True)
class Effect:
    reference: str
    kind: str
    payment: str
    amount: int
    currency: str


class Evidence:
    """Everything there is, as it is at one moment."""

    def __init__(self, effects: Sequence[Effect], payments: Mapping[str, Row], calls: int) -> None:
        self.effects = effects
        self.payments = payments
        self.calls = calls
        self.tables: dict[str, Sequence[Row]] = {}
        self.of: dict[str, list[Effect]] = defaultdict(list)
        for effect in effects:
            self.of[effect.reference].append(effect)

    def __getitem__(self, table: Table) -> Sequence[Row]:
        return self.tables[table.name]

    def by_order(self, table: Table) -> Mapping[UUID, Sequence[Row]]:
        grouped: dict[UUID, list[Row]] = defaultdict(list)
        for row in self[table]:
            grouped[row["order_id"]].append(row)
        return grouped


async def gather(ledger: Path, database_url: str) -> Evidence:
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as books:
        books.row_factory = sqlite3.Row
        done = books.execute("SELECT reference, kind, payment, amount, currency FROM effects")
        effects = [Effect(*row) for row in done]
        payments = {row["id"]: dict(row) for row in books.execute("SELECT * FROM payments")}
        calls = books.execute("SELECT count(*) FROM calls").fetchone()[0]
    evidence = Evidence(effects, payments, calls)
    read = (orders, payment_operations, payment_attempts, events, idempotency_keys)
    async with closing_database(Database(database_url)) as opened, opened.statement() as connection:
        for table in read:
            rows = (await connection.execute(select(table))).mappings().all()
            evidence.tables[table.name] = [dict(row) for row in rows]
    return evidence


def is_doubled(ledger: Path) -> bool:
    """Whether some reference has two effects by now."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as books:
        query = "SELECT 1 FROM effects GROUP BY reference HAVING count(*) > 1 LIMIT 1"
        return books.execute(query).fetchone() is not None


def judge(
    evidence: Evidence, book: Book, claims: Iterable[Claimed], lease: timedelta
) -> list[Violation]:
    """Every violation of every rule; nothing for a run in which money moved once."""
    starts = {(each.operation, each.fence): each.started_at for each in claims}
    return [
        Violation(rule, told)
        for rule, found in (
            ("a reference has one effect at most (I3)", _double_effects(evidence)),
            ("what succeeded has just its effect (I3, I4)", _missing_effects(evidence)),
            ("nothing is done there that has not succeeded here (I4)", _strays(evidence)),
            ("every operation has ended", _unended(evidence)),
            ("an order's sums are the gateway's (I4)", _sums(evidence)),
            ("an order is what its customer meant it to be", _meant(evidence, book)),
            ("each version has one event (I5)", _events(evidence)),
            ("each key has what it made, and the reverse (I10)", _keys(evidence, book)),
            ("what was answered is there, with the bytes (I2)", _answers(evidence, book)),
            ("only the last claim settles", _settled_by_another(evidence)),
            ("an attempt ends before the next one starts", _overlaps(evidence)),
            ("no result is recorded after the next claim", _after_the_next_claim(evidence, starts)),
            ("a claim is taken over after its lease", _taken_early(evidence, starts, lease)),
        )
        for told in found
    ]


def _double_effects(evidence: Evidence) -> Iterator[str]:
    for reference, effects in evidence.of.items():
        if len(effects) > 1:
            sums = ", ".join(f"{each.kind} {each.amount} {each.currency}" for each in effects)
            yield f"{reference}: {sums}"


def _missing_effects(evidence: Evidence) -> Iterator[str]:
    for row in evidence[payment_operations]:
        if row["state"] not in _DONE:
            continue
        ours = {(row["kind"], row["amount_minor"], row["currency"])}
        theirs = {(each.kind, each.amount, each.currency) for each in evidence.of[str(row["id"])]}
        if ours != theirs:
            yield f"{row['id']}: {sorted(ours)} here, {sorted(theirs)} there"


def _strays(evidence: Evidence) -> Iterator[str]:
    done = {str(row["id"]) for row in evidence[payment_operations] if row["state"] in _DONE}
    for effect in evidence.effects:
        if effect.reference not in done:
            yield f"{effect.kind} {effect.reference}"


def _unended(evidence: Evidence) -> Iterator[str]:
    for row in evidence[payment_operations]:
        if row["state"] in ("pending", "unknown") or row["lease_expires_at"] or row["problem"]:
            yield f"{row['kind']} {row['id']}: {row['state']} {row['problem']}"


def _sums(evidence: Evidence) -> Iterator[str]:
    operations = evidence.by_order(payment_operations)
    for order in evidence[orders]:
        effects = [each for row in operations[order["id"]] for each in evidence.of[str(row["id"])]]
        taken = sum(each.amount for each in effects if each.kind in _TAKING)
        back = sum(each.amount for each in effects if each.kind == "refund")
        held = [evidence.payments[each] for each in {each.payment for each in effects}]
        theirs = (sum(each["captured"] for each in held), sum(each["refunded"] for each in held))
        ours = (order["captured_minor"], order["refunded_minor"])
        open_there = [each["id"] for each in held if each["state"] == "authorized"]
        if ours != (taken, back) or ours != theirs or order["refunding_minor"] or open_there:
            yield f"{order['id']} {order['status']}: {ours}, there {theirs}, {(taken, back)}"
        if order["status"] in ("failed", "canceled") and any((taken, *theirs)):
            yield f"{order['id']} is {order['status']}, and {taken} was taken"


def _meant(evidence: Evidence, book: Book) -> Iterator[str]:
    for order in evidence[orders]:
        meant = book.meant.get(str(order["id"]))
        if meant is None:
            yield f"{order['id']} was not seen through: {order['status']}"
            continue
        ours = (order["status"], order["captured_minor"], order["refunded_minor"])
        if ours != (meant.status, meant.captured, meant.refunded):
            yield f"{order['id']} is {ours}, not {meant}"


def _events(evidence: Evidence) -> Iterator[str]:
    happened = evidence.by_order(events)
    for order in evidence[orders]:
        versions = sorted(row["order_version"] for row in happened[order["id"]])
        if versions != list(range(1, order["version"] + 1)):
            yield f"{order['id']} at version {order['version']} has {versions}"


def _keys(evidence: Evidence, book: Book) -> Iterator[str]:
    made = {row["id"] for row in evidence[orders]}
    refunds = {row["id"] for row in evidence[payment_operations] if row["kind"] == "refund"}
    of_key = {row["key"]: row for row in evidence[idempotency_keys]}
    for row in of_key.values():
        if row["resource_id"] not in (refunds if row["resource_type"] == "refund" else made):
            yield f"{row['key']} made nothing"
    for order in evidence[orders]:
        kept = of_key.get(order["idempotency_key"])
        if kept is None or kept["resource_id"] != order["id"]:
            yield f"order {order['id']} has no key"
    of_refunds = Counter(row["resource_id"] for row in of_key.values())
    for refund in refunds:
        if of_refunds[refund] != 1:
            yield f"refund {refund} has {of_refunds[refund]} keys"
    for key in of_key.keys() ^ book.answers.keys():
        yield f"{key}: {'answered, not kept' if key in book.answers else 'kept, never answered'}"


def _answers(evidence: Evidence, book: Book) -> Iterator[str]:
    kept = {row["key"]: row["body"] for row in evidence[idempotency_keys]}
    for key, body in book.answers.items():
        if kept.get(key) != body:
            yield f"{key} has other bytes"
    there = {str(row["id"]): row for row in evidence[orders]}
    for order_id, key in book.placed.items():
        if order_id not in there or there[order_id]["idempotency_key"] != key:
            yield f"order {order_id} of {key} is not there"
    operations = {str(row["id"]): row for row in evidence[payment_operations]}
    for refund_id, (order_id, amount) in book.refunds.items():
        row = operations.get(refund_id)
        if row is None or (str(row["order_id"]), row["amount_minor"]) != (order_id, amount):
            yield f"refund {refund_id} is not there"


def _settled_by_another(evidence: Evidence) -> Iterator[str]:
    """What the gateway said for good was heard once, by the claim that was the last one."""
    attempts = _attempts(evidence)
    for row in evidence[payment_operations]:
        definite = [each for each in attempts[row["id"]] if each["outcome"] in _DEFINITE]
        numbers = [each["number"] for each in definite]
        if row["state"] != "withdrawn" and numbers != [row["fence"]]:
            yield f"{row['kind']} {row['id']}: settled by {numbers}, the last is {row['fence']}"


def _overlaps(evidence: Evidence) -> Iterator[str]:
    for operation, attempts in _attempts(evidence).items():
        for one, following in pairwise(attempts):
            if one["ended_at"] > following["started_at"]:
                late = one["ended_at"] - following["started_at"]
                yield f"{operation}: {one['number']} ended {late} into {following['number']}"


def _after_the_next_claim(evidence: Evidence, starts: Starts) -> Iterator[str]:
    """As above, with the claims whose results were never recorded."""
    for row in evidence[payment_attempts]:
        started_at = starts.get((str(row["operation_id"]), row["number"] + 1))
        if started_at is not None and row["ended_at"] > started_at:
            late = row["ended_at"] - started_at
            yield f"{row['operation_id']}: {row['number']} ({row['outcome']}) recorded {late} late"


def _taken_early(evidence: Evidence, starts: Starts, lease: timedelta) -> Iterator[str]:
    recorded = {(str(row["operation_id"]), row["number"]) for row in evidence[payment_attempts]}
    for (operation, fence), started_at in starts.items():
        following = starts.get((operation, fence + 1))
        if following is None or (operation, fence) in recorded:
            continue
        if following < started_at + lease:
            yield f"{operation}: {fence} was taken over after {following - started_at}"


def _attempts(evidence: Evidence) -> Mapping[UUID, Sequence[Row]]:
    grouped: dict[UUID, list[Row]] = defaultdict(list)
    for row in sorted(evidence[payment_attempts], key=lambda row: row["number"]):
        grouped[row["operation_id"]].append(row)
    return grouped
