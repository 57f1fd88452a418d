"""Where a merchant's webhooks go: named, changed, rotated, forgotten."""

import asyncio
import json
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import select

from adapters.sql.database import Database
from adapters.sql.tables import webhook_endpoints
from tests.adapters.hostile_urls import ADDRESSES, HOSTS, LOOPBACK, NUMBERS, URLS
from tests.databases import closing
from tests.journeys.api import (
    LOOK_AGAIN_SECONDS,
    Api,
    a_key,
    assert_problem,
    client_of,
    described_by,
    is_uuid7,
    new_merchant,
)
from tests.journeys.server import Harbor

pytestmark = pytest.mark.anyio

PATH = "/v1/webhook-endpoints"
URL = "https://partner.example/harbor"
CREATE = "post /v1/webhook-endpoints"
ROTATE = "post /v1/webhook-endpoints/{endpoint_id}/rotate-secret"
LIST = "get /v1/webhook-endpoints"
GET = "get /v1/webhook-endpoints/{endpoint_id}"
PATCH = "patch /v1/webhook-endpoints/{endpoint_id}"


async def a_new_endpoint(api: Api, **members: Any) -> dict[str, Any]:
    answer = await api.post(PATH, {"url": URL, **members})
    assert answer.status_code == 201, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def patched(api: Api, endpoint_id: str, **members: Any) -> Any:
    return await api.client.patch(f"{PATH}/{endpoint_id}", json=members, headers=api.bearer)


async def test_an_endpoint_is_there_once_and_its_secret_is_shown_once(api: Api) -> None:
    key = a_key()
    first = await api.post(PATH, {"url": URL}, key)
    described = await described_by(api.client)
    described.assert_fits(first, CREATE)
    made = first.json()
    assert first.headers["location"] == f"{PATH}/{made['id']}"
    assert is_uuid7(made["id"])
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made == {
        "id": made["id"],
        "url": URL,
        "event_types": None,
        "description": None,
        "status": "enabled",
        "disabled_reason": None,
        "created_at": made["created_at"],
        "updated_at": made["created_at"],
    }
    repeat = await api.post(PATH, {"url": URL}, key)
    assert (repeat.status_code, repeat.content) == (200, first.content)
    fetched = await api.get(f"{PATH}/{made['id']}")
    described.assert_fits(fetched, GET)
    assert fetched.json() == made
    listed = await api.get(PATH)
    described.assert_fits(listed, LIST)
    assert listed.json()["data"] == [made]
    assert secret not in fetched.text + listed.text


async def test_a_secret_lies_nowhere_in_the_clear(api: Api, harbor: Harbor) -> None:
    made = await a_new_endpoint(api)
    database = Database(harbor.database_url)
    async with closing(database), database.statement() as connection:
        rows = (await connection.execute(select(webhook_endpoints))).mappings().all()
    sealed = {str(row["id"]): row["secret"] for row in rows}
    assert made["secret"].encode() not in sealed[made["id"]]
    assert made["secret"].removeprefix("whsec_").encode() not in sealed[made["id"]]


async def test_what_is_left_out_of_a_change_stays_as_it_is(api: Api) -> None:
    made = await a_new_endpoint(api, event_types=["order.paid"], description="Billing")
    del made["secret"]
    described = await described_by(api.client)

    async def then(**members: Any) -> dict[str, Any]:
        answer = await patched(api, made["id"], **members)
        described.assert_fits(answer, PATCH)
        assert answer.status_code == 200, answer.text
        assert (await api.get(f"{PATH}/{made['id']}")).json() == answer.json()
        document: dict[str, Any] = answer.json()
        made.update(updated_at=document["updated_at"])
        return document

    assert await then() == made
    assert await then(url="https://other.example/") == made | {"url": "https://other.example/"}
    made["url"] = "https://other.example/"
    assert await then(url=None, status=None) == made
    types = ["order.created", "order.paid"]
    assert await then(event_types=types[::-1]) == made | {"event_types": types}
    assert await then(event_types=None, description=None) == made | {
        "event_types": None,
        "description": None,
    }
    disabled = await then(status="disabled")
    assert (disabled["status"], disabled["disabled_reason"]) == ("disabled", "requested")
    enabled = await then(status="enabled", description="Again")
    assert (enabled["status"], enabled["disabled_reason"]) == ("enabled", None)
    assert enabled["description"] == "Again"


async def test_of_changes_at_once_none_is_lost(api: Api) -> None:
    made = await a_new_endpoint(api)
    answers = await asyncio.gather(
        patched(api, made["id"], url="https://other.example/"),
        patched(api, made["id"], description="At once"),
        patched(api, made["id"], event_types=["order.paid"]),
    )
    assert [answer.status_code for answer in answers] == [200] * 3
    found = (await api.get(f"{PATH}/{made['id']}")).json()
    assert (found["url"], found["description"], found["event_types"]) == (
        "https://other.example/",
        "At once",
        ["order.paid"],
    )


async def test_a_rotation_shows_another_secret_and_repeats_it(api: Api) -> None:
    made = await a_new_endpoint(api)
    key, path = a_key(), f"{PATH}/{made['id']}/rotate-secret"
    first = await api.post(path, None, key)
    (await described_by(api.client)).assert_fits(first, ROTATE)
    assert first.status_code == 200
    assert first.json()["secret"] not in (made["secret"], None)
    assert first.json() == made | {
        "secret": first.json()["secret"],
        "updated_at": first.json()["updated_at"],
    }
    repeat = await api.post(path, None, key)
    assert (repeat.status_code, repeat.content) == (200, first.content)
    assert repeat.headers["idempotent-replayed"] == "true"


async def test_a_deleted_endpoint_is_gone(api: Api) -> None:
    made = await a_new_endpoint(api)
    path = f"{PATH}/{made['id']}"
    assert (await api.delete(path)).status_code == 204
    assert_problem(await api.delete(path), 404, "webhook_endpoint_not_found")
    assert_problem(await api.get(path), 404, "webhook_endpoint_not_found")
    assert (await api.get(PATH)).json()["data"] == []


async def test_another_merchants_endpoint_is_as_one_that_is_not_there(api: Api, other: Api) -> None:
    made = await a_new_endpoint(api)
    for endpoint_id in (made["id"], str(uuid4()), "nonsense"):
        path = f"{PATH}/{endpoint_id}"
        answers = [
            await other.get(path),
            await other.delete(path),
            await patched(other, endpoint_id, description="Mine"),
            await other.post(f"{path}/rotate-secret"),
        ]
        for answer in answers:
            assert_problem(answer, 404, "webhook_endpoint_not_found")
    assert (await other.get(PATH)).json()["data"] == []
    assert (await api.get(f"{PATH}/{made['id']}")).json()["description"] is None


async def test_only_who_may_manage_webhooks_does(api: Api) -> None:
    made = await a_new_endpoint(api)
    without = await api.issued(scopes=["orders:read", "orders:write", "events:read"])
    path = f"{PATH}/{made['id']}"
    for answer in (
        await without.get(PATH),
        await without.get(path),
        await without.delete(path),
        await without.post(PATH, {"url": URL}),
        await without.post(f"{path}/rotate-secret"),
        await patched(without, made["id"], description="Mine"),
    ):
        assert_problem(answer, 403, "scope_missing")


@pytest.mark.parametrize(
    "members",
    [
        {"url": 1},
        {"url": ""},
        {"url": "https://partner.example/" + "a" * 2_048},
        {"event_types": []},
        {"event_types": ["order.exploded"]},
        {"event_types": "order.paid"},
        {"description": "a" * 1_001},
        {"description": "\0"},
        {"secret": "whsec_mine"},
    ],
    ids=lambda members: json.dumps(members)[:40],
)
async def test_what_makes_no_sense_is_refused(api: Api, members: dict[str, Any]) -> None:
    made = await a_new_endpoint(api)
    refused = await api.post(PATH, {"url": URL} | members)
    assert_problem(refused, 422, "validation_failed")
    assert_problem(await patched(api, made["id"], **members), 422, "validation_failed")
    assert len((await api.get(PATH)).json()["data"]) == 1


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Harbor:
    return Harbor(tmp_path_factory.mktemp("strict"), {"HARBOR_WEBHOOK_ALLOW_LOOPBACK": "false"})


HOSTILE = [
    *(url.format(port=443) for url in (*LOOPBACK, *URLS)),
    *(f"https://{host}/" for host in (*NUMBERS.split(), *ADDRESSES.split(), *HOSTS)),
]


async def test_no_url_that_could_lead_inside_is_taken(strict: Harbor) -> None:
    with strict.serving("--no-worker") as server:
        async with client_of(server) as client:
            api = Api(client, await new_merchant(strict))
            made = await a_new_endpoint(api)
            assert len(HOSTILE) > 200
            for url in HOSTILE:
                # As ASCII: a lone surrogate is no text, but an escape may stand for it.
                body = json.dumps({"url": url}).encode()
                answer = await api.post(PATH, body)
                assert answer.status_code in (400, 422), (url, answer.text)
                assert len(url) < 9 or url not in answer.text
                headers = api.bearer | {"Content-Type": "application/json"}
                change = await client.patch(f"{PATH}/{made['id']}", content=body, headers=headers)
                assert change.status_code in (400, 422), url
            assert (await api.get(PATH)).json()["data"][0]["url"] == URL


async def test_a_merchant_has_so_many_endpoints_and_no_more(api: Api) -> None:
    for _ in range(50):
        await a_new_endpoint(api)
    refused = await api.post(PATH, {"url": URL})
    assert_problem(refused, 422, "too_many_webhook_endpoints")
    pages = await api.walk(PATH, limit=20)
    assert len(pages) == len({each["id"] for each in pages}) == 50


async def test_this_machine_is_allowed_on_a_developers_only(tmp_path: Path) -> None:
    harbor = Harbor(tmp_path)
    for allowed, expected in (("", 201), ("false", 422), ("true", 201)):
        with harbor.serving("--no-worker", HARBOR_WEBHOOK_ALLOW_LOOPBACK=allowed) as server:
            async with client_of(server) as client:
                api = Api(client, await new_merchant(harbor))
                answer = await api.post(PATH, {"url": "http://127.0.0.1:9/hook"})
                assert answer.status_code == expected, answer.text


async def test_of_many_that_are_made_at_once_there_are_as_many_as_there_may_be(api: Api) -> None:
    for _ in range(45):
        await a_new_endpoint(api)
    answers = await asyncio.gather(*(api.post(PATH, {"url": URL}) for _ in range(20)))
    refused = [answer for answer in answers if answer.status_code != 201]
    assert len(refused) == 15
    for answer in refused:
        assert_problem(answer, 422, "too_many_webhook_endpoints")
    assert len(await api.walk(PATH, limit=100)) == 50
    # Who deletes one makes room.
    (first, *_) = (await api.get(PATH)).json()["data"]
    assert (await api.delete(f"{PATH}/{first['id']}")).status_code == 204
    await a_new_endpoint(api)


async def test_who_disables_an_endpoint_tells_the_others_once(embedded_till: Api) -> None:
    made = await a_new_endpoint(embedded_till)
    for _ in range(2):
        assert (await patched(embedded_till, made["id"], status="disabled")).status_code == 200
    changed = await patched(embedded_till, made["id"], description="Closed")
    assert changed.status_code == 200
    # Numbered after that, for it happened later.
    await embedded_till.paid()
    async with asyncio.timeout(20):
        while True:
            found = await embedded_till.walk("/v1/events")
            if len(found) >= 4:
                break
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
    told = [each["data"] for each in found if each["type"] == "webhook_endpoint.disabled"]
    endpoint = {"id": made["id"], "status": "disabled", "disabled_reason": "requested"}
    assert told == [{"webhook_endpoint": endpoint}]
