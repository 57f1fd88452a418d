"""What an operator sees and does: an order's timeline, what waits, whether the books agree."""

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from adapters.sql.database import Database
from adapters.sql.tables import payment_operations
from domain.payment import OperationState
from tests import databases
from tests.journeys.api import FINAL_SECONDS, LOOK_AGAIN_SECONDS, Api, client_of, new_merchant
from tests.journeys.server import Ended, Harbor, HarborServer, ServerDidNotStart, Shop
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

INTERNAL = ("risk_score", "fence", "lease", "gateway_key", "idempotency_key")


@asynccontextmanager
async def _embedded(harbor: Harbor, *arguments: str) -> AsyncIterator[tuple[HarborServer, Api]]:
    with harbor.serving(*arguments) as server:
        async with client_of(server) as client:
            yield server, Api(client, await new_merchant(harbor))


def _one_line(ended: Ended, code: int) -> str:
    """What a person is told whose command could not be carried out."""
    assert (ended.code, ended.out) == (code, ""), ended
    assert ended.err.count("\n") == 1, ended.err
    assert ended.err.startswith("harbor: ")
    assert "Traceback" not in ended.err
    return ended.err


async def test_order_show_tells_all_that_happened_to_an_order(till: Api, shop: Shop) -> None:
    order = await till.authorized(payment_method="sim_error", customer_id="cus_7")
    await till.capture(order["id"], {"amount_cents": 1000})
    await till.until(order["id"], "paid")
    refund = await till.refunded(order["id"], amount_cents=300)
    await till.until_settled(refund["id"])
    refunded = await till.order(order["id"])
    in_json = shop.harbor.run("order", "show", order["id"], "--json")
    assert (in_json.code, set(in_json.document)) == (0, {"order", "timeline"})
    assert in_json.document["order"] == refunded
    timeline = in_json.document["timeline"]
    happened = [
        *("order.created", "authorize asked for", "order.processing"),
        *["authorize unknown"] * 3,
        *("authorize approved", "order.authorized"),
        *("order.processing", "capture asked for", "capture approved", "order.paid"),
        *("refund.created", "refund asked for"),
        *("refund approved", "order.refunded", "refund.succeeded"),
    ]
    assert [each["what"] for each in timeline] == happened
    moments = [datetime.fromisoformat(each["at"]) for each in timeline]
    assert moments == sorted(moments)
    versions = [each["version"] for each in timeline if "version" in each]
    assert versions == list(range(1, refunded["version"] + 1))
    text = shop.harbor.run("order", "show", order["id"])
    assert text.code == 0
    for line in (
        f"order     {order['id']}",
        f"status    partially_refunded, version {refunded['version']}",
    ):
        assert line in text.out.splitlines()
    shown = re.findall(r"^\S+Z  (.{19})", text.out, re.MULTILINE)
    assert [each.strip() for each in shown] == happened
    assert text.out.count("code=gateway_error") == 3
    for internal in INTERNAL:
        assert internal not in text.out + in_json.out


async def test_order_show_says_why_an_order_failed(till: Api, shop: Shop) -> None:
    order = await till.placed(payment_method="sim_insufficient_funds")
    await till.until(order["id"], "failed")
    shown = shop.harbor.run("order", "show", order["id"])
    assert "failure   insufficient_funds: " in shown.out
    assert "charge declined" in shown.out


async def test_order_show_of_what_is_not_there_is_one_line(shop: Shop) -> None:
    unknown = _one_line(shop.harbor.run("order", "show", str(uuid4())), 2)
    assert "no order" in unknown
    assert _one_line(shop.harbor.run("order", "show", str(uuid4()), "--json"), 2) == unknown
    assert "UUID" in _one_line(shop.harbor.run("order", "show", "42"), 2)


async def test_books_that_agree_are_told_so(till: Api, shop: Shop) -> None:
    order = await till.authorized()
    await till.capture(order["id"], {"amount_cents": 1000})
    await till.until(order["id"], "paid")
    refund = await till.refunded(order["id"])
    await till.until_settled(refund["id"])
    declined = await till.placed(payment_method="sim_decline")
    await till.until(declined["id"], "failed")
    in_json = shop.harbor.run("reconcile", "--json")
    assert (in_json.code, set(in_json.document)) == (0, {"checked", "differences"})
    assert in_json.document["checked"] >= 4
    assert in_json.document["differences"] == []
    text = shop.harbor.run("reconcile")
    assert (text.code, text.err) == (0, "")
    assert re.fullmatch(r"operations compared: \d+; no differences\n", text.out)


def _do_at_the_gateway(harbor: Harbor, reference: str, amount: int) -> str:
    """A charge that the gateway's books have from nobody of ours; what they call the payment."""
    payment = f"by-hand-{uuid4()}"
    now = int(datetime.now(UTC).timestamp() * 1_000_000)
    with closing(sqlite3.connect(harbor.ledger)) as books, books:
        books.execute(
            "INSERT INTO payments (id, state, currency, authorized, captured, refunded)"
            " VALUES (?, 'captured', 'EUR', ?, ?, 0)",
            (payment, amount, amount),
        )
        books.execute(
            "INSERT INTO effects (reference, key, kind, payment, amount, currency, at)"
            " VALUES (?, ?, 'charge', ?, ?, 'EUR', ?)",
            (reference, payment, payment, amount, now),
        )
    return payment


def _differences(harbor: Harbor) -> list[dict[str, Any]]:
    """What the comparison finds wrong, in JSON and in the table alike."""
    in_json = harbor.run("reconcile", "--json")
    assert (in_json.code, set(in_json.document)) == (1, {"checked", "differences"})
    differences: list[dict[str, Any]] = in_json.document["differences"]
    for each in differences:
        assert set(each) == {"order_id", "kind", "ours", "gateway"}
    text = harbor.run("reconcile")
    assert (text.code, text.err) == (1, "")
    _, *rows, last = text.out.splitlines()
    assert len(rows) == len(differences)
    for row, each in zip(rows, differences, strict=True):
        for shown in (each["order_id"] or "none", each["kind"], each["ours"], each["gateway"]):
            assert shown in row
    checked = in_json.document["checked"]
    assert last.startswith(f"operations compared: {checked}; {len(differences)} difference")
    return differences


async def test_what_only_the_gateway_did_is_found(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    async with _embedded(harbor) as (_, api):
        charged = await api.paid()
        declined = await api.placed(payment_method="sim_decline")
        await api.until(declined["id"], "failed")
        (charge,) = await api.operations(charged["id"])
        (failed,) = await api.operations(declined["id"])
    assert harbor.run("reconcile").code == 0
    stranger = f"nobody-{uuid4()}"
    _do_at_the_gateway(harbor, stranger, 42)
    expected = [
        {
            "order_id": None,
            "kind": "not_ours",
            "ours": "nothing",
            "gateway": f"charge of 0.42 EUR for {stranger}",
        }
    ]
    assert _differences(harbor) == expected
    _do_at_the_gateway(harbor, charge["id"], 1999)
    _do_at_the_gateway(harbor, failed["id"], 1999)
    found = _differences(harbor)
    assert found[:1] == expected
    assert [(each["order_id"], each["kind"]) for each in found[1:]] == [
        (charged["id"], "double_effect"),
        (declined["id"], "done_there_only"),
    ]
    assert found[1]["ours"] == f"charge of 19.99 EUR, succeeded: {charge['id']}"
    assert found[2] == {
        "order_id": declined["id"],
        "kind": "done_there_only",
        "ours": f"charge of 19.99 EUR, failed: {failed['id']}",
        "gateway": f"charge of 19.99 EUR for {failed['id']}",
    }


async def test_what_the_gateway_has_lost_is_found(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    async with _embedded(harbor) as (server, api):
        charged = await api.paid()
        (charge,) = await api.operations(charged["id"])
        declined = await api.placed(payment_method="sim_decline")
        await api.until(declined["id"], "failed")
        server.stop()
    for file in harbor.data.glob("gateway.db*"):
        file.unlink()
    assert _differences(harbor) == [
        {
            "order_id": charged["id"],
            "kind": "done_here_only",
            "ours": f"charge of 19.99 EUR, succeeded: {charge['id']}",
            "gateway": "nothing",
        }
    ]


async def test_books_that_cannot_be_seen_are_one_line(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    harbor = Harbor(tmp_path, {"HARBOR_GATEWAY_URL": nowhere})
    line = _one_line(harbor.run("reconcile", "--json"), 1)
    assert "harbor doctor" in line
    doctor = harbor.run("doctor", "--json")
    (gateway,) = [each for each in doctor.document["findings"] if each["name"] == "gateway"]
    assert gateway["ok"] is False
    assert "HARBOR_GATEWAY_URL" in gateway["problem"]


async def _now_as(harbor: Harbor, order: dict[str, Any], **values: Any) -> None:
    """Its operation has these values; by itself it would take its time."""
    statement = payment_operations.update().where(
        payment_operations.c.order_id == UUID(order["id"])
    )
    async with (
        databases.closing(Database(harbor.database_url)) as database,
        database.transaction() as connection,
    ):
        assert (await connection.execute(statement.values(**values))).rowcount == 1


def _what_waits(harbor: Harbor) -> str | None:
    """What the doctor says of the operations."""
    in_json = harbor.run("doctor", "--json")
    # What waits does not keep the service from working.
    assert (in_json.code, in_json.document["ready"]) == (0, True)
    (finding,) = [each for each in in_json.document["findings"] if each["name"] == "operations"]
    problem: str | None = finding["problem"]
    assert finding["ok"] is (problem is None)
    text = harbor.run("doctor")
    shown = "ok    operations" if problem is None else f"WARN  operations: {problem}"
    assert (text.code, shown in text.out.splitlines()) == (0, True)
    return problem


async def test_the_doctor_names_the_operations_that_wait_too_long_and_what_for(
    tmp_path: Path,
) -> None:
    harbor = Harbor(tmp_path)
    async with _embedded(harbor, "--no-worker") as (_, api):
        never_sent, unknown, young = [await api.placed() for _ in range(3)]
        assert _what_waits(harbor) is None
        (pending,) = await api.operations(never_sent["id"])
        (asked,) = await api.operations(unknown["id"])
        now = datetime.now(UTC)
        two_minutes_ago = now - timedelta(minutes=2)
        await _now_as(harbor, never_sent, created_at=two_minutes_ago)
        problem = _what_waits(harbor)
        assert problem is not None
        for said in (f"charge {pending['id']}", f"order {never_sent['id']}", "`harbor worker`"):
            assert said in problem
        await _now_as(
            harbor,
            unknown,
            created_at=two_minutes_ago,
            state=OperationState.UNKNOWN.value,
            problem="timeout",
            attempts=3,
            due_at=now + timedelta(hours=1),
        )
        problem = _what_waits(harbor)
        assert problem is not None
        for said in (
            *(f"charge {pending['id']}", f"charge {asked['id']}", f"order {unknown['id']}"),
            *("unknown after 3 attempts", "timeout"),
        ):
            assert said in problem
        assert young["id"] not in problem
        # Once somebody works, only what is not yet due again waits.
        with harbor.working():
            await api.until(never_sent["id"], "paid")
            await api.until(young["id"], "paid")
        problem = _what_waits(harbor)
        assert problem is not None
        assert never_sent["id"] not in problem
        assert unknown["id"] in problem


async def _until_problem(api: Api, order: dict[str, Any], code: str) -> str:
    """The id of the order's operation, once an attempt has ended so."""
    async with asyncio.timeout(FINAL_SECONDS):
        while True:
            (operation,) = await api.operations(order["id"])
            if code in [attempt["code"] for attempt in operation["attempts"]]:
                return str(operation["id"])
            await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _settle(harbor: Harbor, *arguments: str, typed: str = "") -> Ended:
    return harbor.run("operation", "settle", *arguments, typed=typed)


async def test_what_the_worker_will_never_resolve_a_person_settles(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    async with _embedded(harbor, "--no-worker") as (_, api):
        charged, never = [await api.placed() for _ in range(2)]
        with harbor.working(HARBOR_GATEWAY_URL=f"http://127.0.0.1:{free_port()}"):
            ids = [await _until_problem(api, each, "unreachable") for each in (charged, never)]
        done, undone = ids
        early = _one_line(_settle(harbor, undone, "--declined", "--yes"), 1)
        assert "may still send it: it can be settled from " in early
        now = datetime.now(UTC)
        long_ago = now - timedelta(hours=13)
        for order in (charged, never):
            sent = {"created_at": long_ago, "first_sent_at": long_ago}
            await _now_as(harbor, order, **sent, due_at=now, lease_expires_at=None)
        with harbor.working():
            for order in (charged, never):
                await _until_problem(api, order, "not_found")
        for order in (charged, never):
            # Which the worker may have had again when it was killed.
            await _now_as(harbor, order, lease_expires_at=None)
        problem = _what_waits(harbor)
        assert problem is not None
        assert f"`harbor operation settle {undone}`" in problem
        await _is_refused_or_asked_about(harbor, done, charged)
        assert (await api.order(charged["id"]))["status"] == "processing"
        await _is_settled_as_approved(harbor, api, charged, done)
        await _is_settled_as_declined(harbor, api, never, undone)
        assert "ended already, as failed" in _one_line(_settle(harbor, undone, "--declined"), 1)
        assert _what_waits(harbor) is None


async def _is_refused_or_asked_about(harbor: Harbor, done: str, charged: dict[str, Any]) -> None:
    """Nobody answers the question, or there is none, for it cannot be settled so."""
    assert "no payment operation" in _one_line(_settle(harbor, str(uuid4()), "--declined"), 1)
    nameless = _one_line(_settle(harbor, done, "--approved", "--yes"), 1)
    assert "needs --payment-id" in nameless
    named = ("--approved", "--payment-id", "pi_1")
    for typed in ("", "n\n"):
        asked = _settle(harbor, done, *named, typed=typed)
        assert (asked.code, asked.out) == (1, "")
        assert f"charge {done} of order {charged['id']}, 19.99 EUR, is unknown" in asked.err
        assert asked.err.endswith("harbor: stopped\n")
    later = datetime.now(UTC) + timedelta(hours=1)
    await _now_as(harbor, charged, due_at=later, lease_expires_at=later)
    assert "try again in 30 seconds" in _one_line(_settle(harbor, done, *named, "--yes"), 1)
    await _now_as(harbor, charged, lease_expires_at=None)


async def _is_settled_as_approved(
    harbor: Harbor, api: Api, order: dict[str, Any], operation: str
) -> None:
    """It was carried out, but under a reference by which the worker does not find it. From then on
    it is an order like any other, and what was taken can be given back."""
    payment = _do_at_the_gateway(harbor, f"lost-{uuid4()}", 1999)
    asked = ("--approved", "--payment-id", payment)
    settled = _settle(harbor, operation, *asked, "--json", typed="y\n")
    assert (settled.code, set(settled.document)) == (0, {"operation", "order"})
    assert settled.document["order"] == await api.order(order["id"])
    assert settled.document["order"]["status"] == "paid"
    assert [settled.document["operation"]] == await api.operations(order["id"])
    last = settled.document["operation"]["attempts"][-1]
    assert (last["outcome"], last["code"]) == ("approved", "settled_by_operator")
    refund = await api.refunded(order["id"], amount_cents=500)
    with harbor.working():
        assert (await api.until_settled(refund["id"]))["status"] == "succeeded"
    assert [each.amount for each in harbor.effects() if each.reference == refund["id"]] == [500]


async def _is_settled_as_declined(
    harbor: Harbor, api: Api, order: dict[str, Any], operation: str
) -> None:
    settled = _settle(harbor, operation, "--declined", "--yes")
    failed = await api.order(order["id"])
    assert (settled.code, settled.out.splitlines()) == (
        0,
        [
            f"operation  {operation}  charge, failed",
            f"order      {order['id']}  failed, version {failed['version']}",
        ],
    )
    said = json.loads(settled.err)
    assert (said["level"], said["operation_id"], said["order_id"]) == (
        *("WARNING", operation),
        order["id"],
    )
    assert failed["failure"]["code"] == "never_executed"
    shown = harbor.run("order", "show", order["id"])
    assert re.search(r"charge declined .* code=settled_by_operator", shown.out)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"HARBOR_GATEWAY_URL": "ftp://127.0.0.1"}, "HARBOR_GATEWAY_URL"),
        ({"HARBOR_GATEWAY_URL": "gateway:8001"}, "HARBOR_GATEWAY_URL"),
        ({"HARBOR_GATEWAY_URL": "http://me:s3cr3t@127.0.0.1"}, "HARBOR_GATEWAY_URL"),
        ({"HARBOR_GATEWAY_URL": "http://127.0.0.1:99999"}, "HARBOR_GATEWAY_URL"),
        ({"HARBOR_GATEWAY": "paypal"}, "HARBOR_GATEWAY"),
        ({"HARBOR_GATEWAY": "stripe"}, "HARBOR_STRIPE_API_KEY"),
        ({"HARBOR_GATEWAY": "stripe", "HARBOR_STRIPE_API_KEY": "s3cr3t"}, "HARBOR_STRIPE_API_KEY"),
        ({"HARBOR_LEASE_SECONDS": "5"}, "HARBOR_LEASE_SECONDS"),
        ({"HARBOR_LEASE_SECONDS": "nan"}, "HARBOR_LEASE_SECONDS"),
        ({"HARBOR_GATEWAY_SECONDS": "20"}, "HARBOR_LEASE_SECONDS"),
        ({"HARBOR_GATEWAY_CONCURRENCY": "0"}, "HARBOR_GATEWAY_CONCURRENCY"),
        ({"HARBOR_GATEWAY_ULR": "http://127.0.0.1:1"}, "HARBOR_GATEWAY_URL"),
    ],
    ids=str,
)
def test_a_wrong_setting_stops_the_start_with_one_line_that_names_it(
    tmp_path: Path, settings: dict[str, str], named: str
) -> None:
    harbor = Harbor(tmp_path, settings)
    line = _one_line(harbor.run("worker"), 2)
    assert named in line
    assert "s3cr3t" not in line
    with pytest.raises(ServerDidNotStart, match=named) as refused:
        harbor.start()
    assert str(refused.value).splitlines()[1:] == [line.rstrip("\n")]
    assert not (harbor.data / "harbor.db").exists()


def test_a_gateway_that_cannot_listen_is_one_line(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    with harbor.gateway() as gateway:
        port = gateway.url.rpartition(":")[2]
        line = _one_line(harbor.run("gateway", "--port", port), 2)
    assert f"127.0.0.1:{port}" in line
