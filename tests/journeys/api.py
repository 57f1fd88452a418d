"""Harbor as an integrator uses it, and what every answer has to be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
import jsonschema_rs
from pydantic import SecretStr

from entrypoints.container import Container, shut_down
from entrypoints.http.problems import KINDS, MEDIA_TYPE
from entrypoints.settings import Settings
from tests.journeys.server import SECRET, Harbor, HarborServer

ORDER: Mapping[str, Any] = {"customer_id": "cus_42", "amount_cents": 1999, "currency": "EUR"}
TIMEOUT_SECONDS = 30.0
FINAL_SECONDS = 60.0
"""How long a payment may take on a machine that has much else to do."""
LOOK_AGAIN_SECONDS = 0.02
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Never used; without it each client would read the system's certificates."""


def an_order(**changes: Any) -> dict[str, Any]:
    return {**ORDER, **changes}


def a_key() -> str:
    return str(uuid4())


class Api:
    """One merchant's API key on one server."""

    def __init__(self, client: httpx2.AsyncClient, api_key: str) -> None:
        self.client = client
        self.api_key = api_key
        self.bearer = {"Authorization": f"Bearer {api_key}"}

    async def get(self, path: str, **headers: str) -> httpx2.Response:
        return await self.client.get(path, headers=self.bearer | _named(headers))

    async def delete(self, path: str) -> httpx2.Response:
        return await self.client.delete(path, headers=self.bearer)

    async def post(
        self, path: str, body: object = None, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        """`body` is sent as JSON, or as it is when it is bytes; `key` is a new one by default."""
        own = self.bearer | {"Idempotency-Key": a_key() if key is None else key} | _named(headers)
        if isinstance(body, bytes):
            own = {"Content-Type": "application/json"} | own
            return await self.client.post(path, content=body, headers=own)
        return await self.client.post(path, json=body, headers=own)

    async def place(self, key: str | None = None, **changes: Any) -> httpx2.Response:
        return await self.post("/v1/orders", an_order(**changes), key)

    async def placed(self, **changes: Any) -> dict[str, Any]:
        """A new order's document."""
        answer = await self.place(**changes)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def order(self, order_id: str) -> dict[str, Any]:
        """An order's document as it is now."""
        answer = await self.get(f"/v1/orders/{order_id}")
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def until(
        self, order_id: str, *statuses: str, seconds: float = FINAL_SECONDS
    ) -> dict[str, Any]:
        """The order once it has one of the statuses."""
        clock = asyncio.get_running_loop()
        deadline = clock.time() + seconds
        while True:
            order = await self.order(order_id)
            if order["status"] in statuses:
                return order
            assert clock.time() < deadline, f"not {' or '.join(statuses)} in time: {order}"
            await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def paid(self, **changes: Any) -> dict[str, Any]:
        """A new order, which was paid."""
        return await self.until((await self.placed(**changes))["id"], "paid")

    async def authorized(self, **changes: Any) -> dict[str, Any]:
        """A new order that waits to be captured."""
        order = await self.placed(capture_method="manual", **changes)
        return await self.until(order["id"], "authorized")

    async def capture(
        self, order_id: str, body: object = None, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        return await self.post(f"/v1/orders/{order_id}/capture", body, key, **headers)

    async def cancel(
        self, order_id: str, body: object = None, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        return await self.post(f"/v1/orders/{order_id}/cancel", body, key, **headers)

    async def refund(
        self, order_id: str, body: object = None, key: str | None = None, **headers: str
    ) -> httpx2.Response:
        return await self.post(f"/v1/orders/{order_id}/refunds", body, key, **headers)

    async def refunded(self, order_id: str, **request: Any) -> dict[str, Any]:
        """A new refund's document."""
        answer = await self.refund(order_id, request)
        assert answer.status_code == 201, answer.text
        document: dict[str, Any] = answer.json()
        return document

    async def until_settled(self, refund_id: str) -> dict[str, Any]:
        """The refund once the gateway has answered."""
        async with asyncio.timeout(FINAL_SECONDS):
            while True:
                answer = await self.get(f"/v1/refunds/{refund_id}")
                assert answer.status_code == 200, answer.text
                refund: dict[str, Any] = answer.json()
                if refund["status"] != "pending":
                    return refund
                await asyncio.sleep(LOOK_AGAIN_SECONDS)

    async def operations(self, order_id: str) -> list[dict[str, Any]]:
        """All that the gateway was asked for the order, newest first."""
        return await self.walk(f"/v1/orders/{order_id}/operations")

    async def until_in_progress(self, key: str) -> None:
        """Wait until a request under the key has begun to be recorded."""
        async with asyncio.timeout(10):
            while (await self.get(path_of_key(key))).json()["state"] != "in_progress":
                pass

    async def walk(self, path: str, limit: int = 100) -> list[dict[str, Any]]:
        """Every item of a list, page by page through the Link header. Fails in a circle."""
        items: list[dict[str, Any]] = []
        visited: set[str] = set()
        joint = "&" if "?" in path else "?"
        following: str | None = f"{path}{joint}limit={limit}"
        while following is not None:
            assert following not in visited
            visited.add(following)
            answer = await self.get(following)
            assert answer.status_code == 200, answer.text
            page = answer.json()
            items += page["data"]
            following = answer.links["next"]["url"] if page["has_more"] else None
        return items

    async def issued(self, **request: Any) -> "Api":
        """The same merchant with another key, made by this one."""
        answer = await self.post("/v1/api-keys", request)
        assert answer.status_code == 201, answer.text
        return Api(self.client, answer.json()["api_key"])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@asynccontextmanager
async def client_of(
    server: HarborServer, *, connections: int = 100
) -> AsyncIterator[httpx2.AsyncClient]:
    limits = httpx2.Limits(max_connections=connections, max_keepalive_connections=connections)
    async with httpx2.AsyncClient(
        base_url=server.url, trust_env=False, verify=_NO_TLS, timeout=TIMEOUT_SECONDS, limits=limits
    ) as client:
        yield client


async def new_merchant(harbor: Harbor, name: str = "Acme") -> str:
    """The API key of a new merchant, by the use case behind `harbor merchant create`, which would
    cost a process each."""
    settings = Settings.model_construct(
        database_url=harbor.database_url, secret_key=SecretStr(SECRET)
    )
    container = Container(settings=settings)
    try:
        created = await container.create_merchant()(name)
    finally:
        await shut_down(container)
    return created.first_key.text


def path_of_customer(customer_id: str) -> str:
    return f"/v1/customers/{quote(customer_id, safe='')}/orders"


def path_of_key(key: str) -> str:
    return f"/v1/idempotency-keys/{quote(key, safe='')}"


def assert_problem(answer: httpx2.Response, status: int, code: str) -> dict[str, Any]:
    """The answer is a whole problem document with this status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, MEDIA_TYPE), answer.text
    document: dict[str, Any] = answer.json()
    assert document["code"] == code, document
    assert document["status"] == status
    assert document["title"] == KINDS[code].title
    assert document["type"] == f"urn:harbor:problem:{code}"
    assert document["detail"].endswith((".", "?"))
    assert document["request_id"] == answer.headers["x-request-id"]
    assert document["instance"] == f"urn:harbor:request:{document['request_id']}"
    for error in document.get("errors", ()):
        assert set(error) == {"pointer", "code", "detail"}
    return document


class Described:
    """The OpenAPI document as a server serves it, and whether an answer is what it says."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._paths = document["paths"]
        self._components = _closed(document["components"])

    def assert_fits(self, answer: httpx2.Response, operation: str) -> None:
        """`operation` is for example "get /v1/orders/{order_id}". What is not named in an object is
        wrong too."""
        method, path = operation.split(" ")
        described = self._paths[path][method]["responses"]
        assert str(answer.status_code) in described, (operation, answer.status_code)
        media_type = answer.headers["content-type"]
        response = described[str(answer.status_code)]
        if "$ref" in response:
            response = self._components["responses"][response["$ref"].rpartition("/")[2]]
        assert media_type in response["content"], (operation, media_type)
        schema = {"components": self._components, **response["content"][media_type]["schema"]}
        found = jsonschema_rs.iter_errors(schema, answer.json(), validate_formats=True)
        wrong = [f"{each.instance_path}: {each.message}" for each in found]
        assert not wrong, (operation, wrong)


def _closed(node: Any) -> Any:
    """To a client what is not named in an object may be there: not to a test."""
    if isinstance(node, list):
        return [_closed(each) for each in node]
    if not isinstance(node, dict):
        return node
    closed = {name: _closed(each) for name, each in node.items()}
    if closed.get("type") == "object":
        closed.setdefault("additionalProperties", False)
    return closed


async def described_by(client: httpx2.AsyncClient) -> Described:
    return Described((await client.get("/openapi.json")).json())


def is_uuid7(text: str) -> bool:
    return UUID(text).version == 7


async def at_once(*requests: Any) -> list[httpx2.Response]:
    return list(await asyncio.gather(*requests))
