"""Harbor as an integrator uses it, and what every answer has to be."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import httpx2
from pydantic import SecretStr

from entrypoints.container import Container, shut_down
from entrypoints.http.problems import KINDS, MEDIA_TYPE
from entrypoints.settings import Settings
from tests.journeys.server import SECRET, Harbor, HarborServer

ORDER: Mapping[str, Any] = {"customer_id": "cus_42", "amount_cents": 1999, "currency": "EUR"}
TIMEOUT_SECONDS = 30.0
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


def is_uuid7(text: str) -> bool:
    return UUID(text).version == 7


async def at_once(*requests: Any) -> list[httpx2.Response]:
    return list(await asyncio.gather(*requests))
