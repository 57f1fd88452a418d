"""What a request made is freed when it ends: the garbage collector, for which all wait, finds
nothing to do."""

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from uuid import uuid4

import pytest
import uvicorn
from pydantic import SecretStr
from uvicorn.server import ServerState

from entrypoints.container import Container
from entrypoints.http.app import create_app
from entrypoints.http.protocol import BoundedHttpProtocol
from entrypoints.settings import Settings
from tests.journeys.api import an_order
from tests.journeys.raw import RawConnection, post_order, request
from tests.journeys.server import SECRET

pytestmark = pytest.mark.anyio

REQUESTS = 50


class AwaitedProtocol(BoundedHttpProtocol):
    """Says when it has lost its connection."""

    def __init__(self, lost: asyncio.Event, config: uvicorn.Config, state: ServerState) -> None:
        super().__init__(config=config, server_state=state, app_state={})
        self._lost = lost

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._lost.set()


@pytest.fixture
def collector() -> Iterator[None]:
    """Set back what the application's start does to it."""
    threshold = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@asynccontextmanager
async def served(database_url: str) -> AsyncIterator[tuple[RawConnection, str]]:
    """The one connection to a server in this process, and an API key."""
    settings = Settings.model_construct(database_url=database_url, secret_key=SecretStr(SECRET))
    container = Container(settings=settings)
    api_key = (await container.create_merchant()("Acme")).first_key.text
    app = create_app(container)
    config = uvicorn.Config(
        app.layers, log_config=None, access_log=False, proxy_headers=False, ws="none"
    )
    config.load()
    lost = asyncio.Event()
    async with app.router.lifespan_context(app):
        server = await asyncio.get_running_loop().create_server(
            partial(AwaitedProtocol, lost, config, ServerState()), "127.0.0.1", 0
        )
        address = server.sockets[0].getsockname()[:2]
        connection = RawConnection(*await asyncio.open_connection(*address))
        try:
            yield connection, api_key
        finally:
            await connection.close()
            await lost.wait()
            server.close()


@contextmanager
def all_garbage() -> Iterator[Counter[str]]:
    """The types of what nobody holds any more, and yet was not freed."""
    found: Counter[str] = Counter()
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.update(type(each).__qualname__ for each in gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


def _creates(api_key: str) -> list[bytes]:
    return [post_order(api_key, f"new-{uuid4()}", an_order()) for _ in range(REQUESTS)]


def _replays(api_key: str) -> list[bytes]:
    return [post_order(api_key, "old", an_order())] * REQUESTS


def _lists(api_key: str) -> list[bytes]:
    return [request("GET", "/v1/orders", {"Authorization": f"Bearer {api_key}"})] * REQUESTS


def _heads(api_key: str) -> list[bytes]:
    return [request("HEAD", "/v1/orders", {"Authorization": f"Bearer {api_key}"})] * REQUESTS


def _strangers(_: str) -> list[bytes]:
    return [request("GET", "/v1/orders", {"Authorization": "Bearer nobody"})] * REQUESTS


@pytest.mark.usefixtures("collector")
@pytest.mark.parametrize(
    ("requests", "status"),
    [(_creates, 201), (_replays, 200), (_lists, 200), (_heads, 200), (_strangers, 401)],
)
async def test_a_request_leaves_nothing_for_the_collector(
    postgresql_url: str, requests: Callable[[str], list[bytes]], status: int
) -> None:
    statuses = set()
    async with served(postgresql_url) as (connection, api_key):

        async def ask(work: list[bytes]) -> None:
            for each in work:
                await connection.send(each)
                answer = await connection.answer(to_head=each.startswith(b"HEAD"))
                statuses.add(answer.status)

        # What only the first of its kind makes.
        await ask([post_order(api_key, "old", an_order()), *requests(api_key)[:2]])
        statuses.clear()
        with all_garbage() as garbage:
            await ask(requests(api_key))
    assert statuses == {status}
    assert garbage.total() < REQUESTS, garbage
