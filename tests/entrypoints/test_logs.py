"""One line for each request: who, what and how long, and never what was in it."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.logs import configure_logs
from entrypoints.settings import Settings
from tests.journeys.api import Api, an_order, assert_problem, client_of, new_merchant
from tests.journeys.raw import exchange, request
from tests.journeys.server import SECRET, Harbor, HarborServer

pytestmark = pytest.mark.anyio

MARKER = "m4rk3r"
CARD = "4242424242424242"


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Harbor, HarborServer]]:
    harbor = Harbor(tmp_path_factory.mktemp("logs"))
    with harbor.serving() as server:
        yield harbor, server


@pytest.fixture
def server(serving: tuple[Harbor, HarborServer]) -> HarborServer:
    return serving[1]


@pytest.fixture
async def api(serving: tuple[Harbor, HarborServer]) -> AsyncIterator[Api]:
    harbor, server = serving
    async with client_of(server) as client:
        yield Api(client, await new_merchant(harbor))


async def _logged(server: HarborServer, answer: httpx2.Response) -> dict[str, Any]:
    request_id = answer.headers["x-request-id"]
    record = await asyncio.to_thread(server.logged, request_id)
    lines = [line for line in server.err.all() if request_id in line]
    assert len(lines) == 1
    return record


async def test_a_request_is_one_line_of_json(server: HarborServer, api: Api) -> None:
    answer = await api.post("/v1/orders", an_order(), X_Request_Id=f"own-{uuid4().hex}")
    record = await _logged(server, answer)
    assert UUID(record.pop("merchant_id")).version == 7
    assert 0 < record.pop("duration_ms") < 30_000
    assert record.pop("timestamp").endswith("+00:00")
    assert record == {
        "level": "INFO",
        "logger": "harbor.http",
        "message": "request",
        "method": "POST",
        "route": "/v1/orders",
        "status": 201,
        "request_id": answer.headers["x-request-id"],
    }


async def test_every_line_is_json(server: HarborServer, api: Api) -> None:
    await api.placed()
    for line in server.err.all():
        assert {"level", "logger", "message", "timestamp"} <= set(json.loads(line))


@pytest.mark.parametrize(
    ("method", "path", "route", "status"),
    [
        ("GET", f"/v1/orders/{MARKER}", "/v1/orders/{order_id}", 404),
        ("GET", f"/v1/customers/{MARKER}/orders", "/v1/customers/{customer_id}/orders", 200),
        ("GET", f"/v1/orders?customer_id={MARKER}", "/v1/orders", 200),
        ("GET", f"/v1/orders?limit={MARKER}", "/v1/orders", 422),
        ("GET", f"/v1/orders?{MARKER}=1&{MARKER}=2", "unmatched", 400),
        ("GET", f"/v1/idempotency-keys/{MARKER}", "/v1/idempotency-keys/{key}", 200),
        ("DELETE", f"/v1/api-keys/{MARKER}", "/v1/api-keys/{key_id}", 404),
        ("GET", f"/{MARKER}", "unmatched", 404),
        ("GET", f"/v1/orders%0A{MARKER}", "unmatched", 400),
        ("PUT", "/v1/orders", "/v1/orders", 405),
        ("GET", "/health", "/health", 200),
        ("GET", "/docs", "/docs", 200),
        ("GET", f"/docs/assets/{MARKER}", "/docs/assets/{name}", 404),
    ],
)
async def test_a_line_has_the_route_and_never_the_path(
    server: HarborServer, api: Api, method: str, path: str, route: str, status: int
) -> None:
    answer = await api.client.request(method, path, headers=api.bearer)
    record = await _logged(server, answer)
    assert (record["method"], record["route"], record["status"]) == (method, route, status)
    assert MARKER not in json.dumps(record)


async def test_a_caller_who_is_nobody_is_no_merchant(server: HarborServer, api: Api) -> None:
    record = await _logged(server, await api.client.get("/v1/orders"))
    assert record["status"] == 401
    assert record.get("merchant_id") is None


async def test_nothing_of_a_request_is_in_any_line(server: HarborServer, api: Api) -> None:
    """Not when it succeeds, and not in any of the ways in which it fails."""
    key = f"{MARKER}-key"
    secret = (await api.post("/v1/api-keys", {"scopes": ["keys:manage"]})).json()["api_key"]
    answers = [
        await api.place(key, customer_id=MARKER, description=MARKER, metadata={MARKER: MARKER}),
        await api.place(key, customer_id=MARKER + "x"),
        await api.place(f"{MARKER} {MARKER}"),
        await api.place(payment_method=CARD),
        await api.place(payment_method=f"tok_{MARKER}"),
        await api.place(amount_cents=MARKER),
        await api.place(**{MARKER: MARKER}),
        await api.post("/v1/orders", f'{{"{MARKER}'.encode()),
        await api.post("/v1/orders", MARKER.encode() * 20_000),
        await api.post("/v1/orders", an_order(), Content_Type=f"text/{MARKER}"),
        await api.get("/v1/orders", X_Secret=MARKER, Cookie=MARKER, User_Agent=MARKER),
        await api.get("/v1/orders", X_Request_Id=f"{MARKER}/{MARKER}"),
        await api.client.get("/v1/orders", headers={"Authorization": f"Bearer {MARKER}"}),
        await Api(api.client, secret).get("/v1/orders"),
        await api.client.options("/v1/orders", headers={"Origin": f"https://{MARKER}"}),
    ]
    assert {answer.status_code for answer in answers} >= {201, 400, 401, 403, 413, 415, 422}
    plain = await exchange(server, request("GET", f"/{MARKER}", {"X": f"{MARKER}\x01"}))
    assert plain.status == 400
    for answer in answers:
        await _logged(server, answer)
    text = server.err.text() + server.out.text()
    for secret_thing in (MARKER, CARD, secret, api.api_key, SECRET):
        assert secret_thing not in text.replace(_demo_key_line(server), "")


def _demo_key_line(server: HarborServer) -> str:
    """The greeting shows the demo merchant's key, and is meant to."""
    return next(line for line in server.out.all() if "demo merchant" in line)


@pytest.fixture
def broken() -> FastAPI:
    """An application with a mistake in it."""
    settings = Settings.model_construct(
        database_url="sqlite+aiosqlite:////dev/null", secret_key=SecretStr(SECRET)
    )
    container = Container(settings=settings)
    made = create_app(container)

    @made.get("/broken/{text}")
    async def break_down(text: str) -> None:
        raise RuntimeError("a mistake of ours")

    return made


async def test_a_mistake_of_ours_is_a_problem_and_is_logged_with_its_place(
    broken: FastAPI, capsys: pytest.CaptureFixture[str]
) -> None:
    before = logging.getLogger().handlers[:]
    configure_logs("json")
    try:
        transport = httpx2.ASGITransport(broken, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://harbor") as client:
            answer = await client.get(f"/broken/{MARKER}?{MARKER}=1")
    finally:
        logging.getLogger().handlers[:] = before
    problem = assert_problem(answer, 500, "internal_error")
    assert "mistake" not in json.dumps(problem)
    said = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    # The client logs in this process, too.
    records = [record for record in said if record["logger"].startswith("harbor")]
    failure, line = records
    assert (failure["level"], failure["request_id"]) == ("ERROR", problem["request_id"])
    assert "a mistake of ours" in failure["exc_info"]
    assert (line["status"], line["route"]) == (500, "/broken/{text}")
    assert MARKER not in json.dumps(records)
