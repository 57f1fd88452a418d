"""What every route shares: problems, request ids, headers, CORS, readiness, the documentation."""

import re
from collections.abc import Iterator
from uuid import uuid4

import httpx2
import pytest

from tests.databases import PostgresDatabases
from tests.journeys.api import Api, an_order, assert_problem, client_of, new_merchant
from tests.journeys.server import SECRET, Harbor, HarborServer
from tests.support.server import free_port

pytestmark = pytest.mark.anyio

SHOP = "https://shop.example"
SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
}


async def test_what_is_not_there_is_a_problem(sqlite_api: Api) -> None:
    for path in ("/", "/v1", "/v1/orders/", "/v2/orders", "/favicon.ico", "/docs/x"):
        assert_problem(await sqlite_api.get(path), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/orders", "GET, HEAD, POST"),
        ("PATCH", "/v1/orders/42", "GET, HEAD"),
        ("POST", "/v1/customers/a/orders", "GET, HEAD"),
        ("DELETE", "/v1/idempotency-keys/a", "GET, HEAD"),
        ("DELETE", "/v1/api-keys", "GET, HEAD, POST"),
        ("GET", "/v1/api-keys/42", "DELETE"),
        ("GET", "/v1/api-keys/42/rotate", "POST"),
        ("POST", "/health", "GET, HEAD"),
        ("POST", "/ready", "GET, HEAD"),
    ],
)
async def test_another_method_is_a_problem_that_names_all_that_are_allowed(
    sqlite_api: Api, method: str, path: str, allowed: str
) -> None:
    answer = await sqlite_api.client.request(method, path)
    assert_problem(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == allowed


async def test_a_missing_credential_is_a_problem_that_says_how(sqlite_api: Api) -> None:
    answer = await sqlite_api.client.get("/v1/orders")
    problem = assert_problem(answer, 401, "api_key_missing")
    assert "Authorization: Bearer" in problem["detail"]
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_invalid_input_names_every_place_at_once(sqlite_api: Api) -> None:
    answer = await sqlite_api.post(
        "/v1/orders", {"amount_cents": "1", "currency": "eur", "surplus": 1, "metadata": {"a": 1}}
    )
    problem = assert_problem(answer, 422, "validation_failed")
    assert {(error["pointer"], error["code"]) for error in problem["errors"]} == {
        ("/customer_id", "required"),
        ("/amount_cents", "wrong_type"),
        ("/currency", "pattern_mismatch"),
        ("/metadata", "wrong_type"),
        ("", "unknown_member"),
    }


@pytest.mark.parametrize("given", ["a", "A-z_0.9", "x" * 64])
async def test_a_request_id_of_the_caller_is_kept(sqlite_api: Api, given: str) -> None:
    for path in ("/health", "/v1/orders", "/nowhere"):
        answer = await sqlite_api.get(path, X_Request_Id=given)
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "a/b", "<script>", "é", "a,b", "a\tb"])
async def test_another_request_id_is_replaced(sqlite_api: Api, given: str) -> None:
    headers = [(b"X-Request-Id", given.encode("latin-1"))]
    answer = await sqlite_api.client.get("/health", headers=headers)
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", _request_id(answer))


async def test_two_request_ids_are_none(sqlite_api: Api) -> None:
    headers = [("X-Request-Id", "a"), ("X-Request-Id", "b")]
    answer = await sqlite_api.client.get("/health", headers=headers)
    assert _request_id(answer) not in ("a", "b", "a, b")


async def test_each_request_has_an_id_of_its_own(sqlite_api: Api) -> None:
    answers = [await sqlite_api.get("/health") for _ in range(5)]
    assert len({_request_id(answer) for answer in answers}) == 5


def _request_id(answer: httpx2.Response) -> str:
    return str(answer.headers["x-request-id"])


async def test_every_answer_has_the_security_headers(sqlite_api: Api) -> None:
    order = await sqlite_api.placed()
    for path in (
        *("/health", "/ready", "/openapi.json", "/v1/orders", f"/v1/orders/{order['id']}"),
        *("/nowhere", "/v1/orders?limit=0", "/v1/orders?limit=1&limit=2"),
    ):
        answer = await sqlite_api.get(path)
        assert {name: answer.headers[name] for name in SECURITY} == SECURITY
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert "server" not in answer.headers
        assert "date" in answer.headers


async def test_answers_are_not_stored_by_caches_unless_a_client_may_ask_again(
    sqlite_api: Api,
) -> None:
    order = await sqlite_api.placed()
    assert (await sqlite_api.get("/v1/orders")).headers["cache-control"] == "no-store"
    fetched = await sqlite_api.get(f"/v1/orders/{order['id']}")
    assert fetched.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize("path", ["/docs", "/redoc"])
async def test_the_documentation_can_be_read(sqlite_api: Api, path: str) -> None:
    answer = await sqlite_api.client.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "/openapi.json" in answer.text
    assert {name: answer.headers[name] for name in SECURITY} == SECURITY


async def test_the_document_is_served(sqlite_api: Api) -> None:
    answer = await sqlite_api.client.get("/openapi.json")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["openapi"].startswith("3.1")


async def test_health_and_readiness_need_no_credential(
    server: HarborServer, client: httpx2.AsyncClient
) -> None:
    health, ready = await client.get("/health"), await client.get("/ready")
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
    assert (ready.status_code, ready.json()) == (200, {"status": "ready"})


async def test_no_origin_is_allowed_by_default(sqlite_api: Api) -> None:
    answer = await sqlite_api.get("/v1/orders", Origin=SHOP)
    assert answer.status_code == 200
    preflight = await sqlite_api.client.options(
        "/v1/orders", headers={"Origin": SHOP, "Access-Control-Request-Method": "POST"}
    )
    assert_problem(preflight, 405, "method_not_allowed")
    for each in (answer, preflight):
        assert not [name for name in each.headers if name.startswith("access-control-")]


@pytest.fixture(scope="module")
def with_cors(on_sqlite: Harbor) -> Iterator[HarborServer]:
    origins = f"{SHOP}, http://localhost:3000"
    with on_sqlite.serving("--no-worker", HARBOR_CORS_ORIGINS=origins) as server:
        yield server


async def test_origins_that_are_configured_are_allowed(
    on_sqlite: Harbor, with_cors: HarborServer
) -> None:
    async with client_of(with_cors) as client:
        api = Api(client, await new_merchant(on_sqlite))
        asking = {
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type,idempotency-key",
        }
        for origin in (SHOP, "http://localhost:3000"):
            preflight = await client.options("/v1/orders", headers={"Origin": origin} | asking)
            assert preflight.status_code == 200
            assert preflight.headers["access-control-allow-origin"] == origin
            answer = await api.post("/v1/orders", an_order(), Origin=origin)
            assert answer.status_code == 201
            assert answer.headers["access-control-allow-origin"] == origin
            assert "Location" in answer.headers["access-control-expose-headers"]
            assert "access-control-allow-credentials" not in answer.headers


async def test_other_origins_stay_outside(with_cors: HarborServer) -> None:
    async with client_of(with_cors) as client:
        for origin in ("https://evil.example", f"{SHOP}.evil.example", "null"):
            answer = await client.get("/health", headers={"Origin": origin})
            assert "access-control-allow-origin" not in answer.headers
            preflight = await client.options(
                "/v1/orders", headers={"Origin": origin, "Access-Control-Request-Method": "POST"}
            )
            assert preflight.status_code == 400
            assert "access-control-allow-origin" not in preflight.headers


async def test_a_server_that_cannot_reach_its_database_says_so(
    tmp_path_factory: pytest.TempPathFactory, sqlite_api: Api
) -> None:
    nowhere = f"postgresql+asyncpg://harbor:s3cr3t@127.0.0.1:{free_port()}/harbor"
    settings = {"HARBOR_DATABASE_URL": nowhere, "HARBOR_SECRET_KEY": SECRET}
    harbor = Harbor(tmp_path_factory.mktemp("unreachable"), settings)
    with harbor.serving() as server:
        async with client_of(server) as client:
            api = Api(client, sqlite_api.api_key)
            assert (await client.get("/health")).status_code == 200
            problem = assert_problem(await client.get("/ready"), 503, "unavailable")
            assert "cannot be reached" in problem["detail"]
            for answer in (await api.get("/v1/orders"), await api.place()):
                assert_problem(answer, 503, "unavailable")
                assert answer.headers["retry-after"] == "1"
                assert "s3cr3t" not in answer.text
    assert "s3cr3t" not in server.err.text()


async def test_a_server_on_a_database_that_was_not_migrated_says_so_until_it_is(
    postgresql_databases: PostgresDatabases, tmp_path_factory: pytest.TempPathFactory
) -> None:
    async with postgresql_databases.fresh(migrated=False) as url:
        settings = {"HARBOR_DATABASE_URL": url, "HARBOR_SECRET_KEY": SECRET}
        harbor = Harbor(tmp_path_factory.mktemp("unmigrated"), settings)
        with harbor.serving() as server:
            async with client_of(server) as client:
                problem = assert_problem(await client.get("/ready"), 503, "unavailable")
                assert "harbor migrate" in problem["detail"]
                assert harbor.run("migrate").code == 0
                assert (await client.get("/ready")).status_code == 200
                api = Api(client, await new_merchant(harbor))
                assert (await api.place()).status_code == 201


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed_request"),
        (b" ", 400, "malformed_request"),
        (b'{"amount_cents": 1} x', 400, "malformed_request"),
        (b"null", 422, "validation_failed"),
        (b"[]", 422, "validation_failed"),
    ],
    ids=str,
)
async def test_no_route_takes_a_body_that_it_cannot_read_for_none(
    sqlite_api: Api, body: bytes, status: int, code: str
) -> None:
    """Where nothing in a body is required, it would mean: all."""
    document = (await sqlite_api.get("/openapi.json")).json()
    paths = [path for path, methods in document["paths"].items() if "post" in methods]
    assert "/v1/orders/{order_id}/capture" in paths
    for path in paths:
        filled = re.sub(r"\{\w+\}", str(uuid4()), path)
        assert_problem(await sqlite_api.post(filled, body), status, code)
