"""A route that will go away says so in every answer, whichever way the request went."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Query, Request, Response

from application.ports.events import EventPage
from entrypoints.http.dependencies import ContainerOf, OrdersReader
from entrypoints.http.deprecation import Deprecation, deprecated
from entrypoints.http.document import describe
from entrypoints.http.documented import KEYED, answered, fetched, listed, problems
from entrypoints.http.event_stream import EventStream
from entrypoints.http.json_body import StrictJsonRoute
from entrypoints.http.orders import get_order, list_orders
from entrypoints.http.wire.orders import OrderList, OrderOut, OrderQuery
from tests.databases import SqliteDatabases
from tests.entrypoints.both_ways import BothWays, Told, both_ways
from tests.journeys.api import an_order
from tests.serving import serving

pytestmark = pytest.mark.anyio

SINCE = datetime(2027, 1, 1, tzinfo=UTC)
SUNSET = datetime(2028, 7, 1, 12, 30, tzinfo=UTC)
GUIDE = "https://docs.example/from-v1-to-v2"
ANNOUNCED = {"deprecation": "@1798761600", "sunset": "Sat, 01 Jul 2028 12:30:00 GMT"}
"""2027-01-01T00:00:00Z in seconds since 1970."""
EXPLAINED = f'<{GUIDE}>; rel="deprecation"; type="text/html"'
SOME_ID = "01900000-0000-7000-8000-000000000000"

router = APIRouter(prefix="/v1", route_class=StrictJsonRoute, tags=["Orders"])


@router.get(
    "/old-orders/{order_id}",
    response_model=None,
    responses=fetched(OrderOut, "The order.") | problems(*KEYED, "order_not_found"),
)
@deprecated(since=SINCE, sunset=SUNSET, guide=GUIDE, successor="/v2/orders/{order_id}")
async def get_old_order(
    request: Request, order_id: str, caller: OrdersReader, container: ContainerOf
) -> Response:
    """Fetch an order."""
    return await get_order(request, order_id, caller, container)


@router.get(
    "/old-orders",
    response_model=None,
    responses=listed(OrderList) | problems(*KEYED, "invalid_cursor", "validation_failed"),
)
@deprecated(since=SINCE, sunset=SUNSET, guide=GUIDE)
async def list_old_orders(
    request: Request,
    caller: OrdersReader,
    query: Annotated[OrderQuery, Query()],
    container: ContainerOf,
) -> Response:
    """List your orders."""
    return await list_orders(request, caller, query, container)


@router.get("/old-stream", response_model=None, responses=answered(OrderOut, "The order."))
@deprecated(since=SINCE, sunset=SUNSET, guide=GUIDE)
async def stream_nothing() -> Response:
    """A response that has no headers until it is sent."""

    async def pages() -> AsyncGenerator[EventPage]:
        for page in list[EventPage]():
            yield page

    return EventStream(pages())


@router.get("/old-failure", response_model=None, responses=answered(OrderOut, "The order."))
@deprecated(since=SINCE, sunset=SUNSET, guide=GUIDE)
async def fail() -> Response:
    """What nobody foresaw."""
    raise RuntimeError("unforeseen")


@pytest.fixture
async def ways(
    sqlite_databases: SqliteDatabases, caplog: pytest.LogCaptureFixture
) -> AsyncIterator[BothWays]:
    async with both_ways(sqlite_databases, caplog) as opened:
        for way in (opened.short, opened.ordinary):
            way.app.include_router(router)
        yield opened


async def _placed(ways: BothWays, key: str) -> str:
    body = json.dumps(an_order()).encode()
    headers = (("Idempotency-Key", key), ("Content-Type", "application/json"))
    told = await ways.ask("POST", "/v1/orders", *headers, body=body)
    order_id: str = json.loads(told.body)["id"]
    return order_id


def _is_announced(told: Told) -> bool:
    headers = {name.decode(): value.decode() for name, value in told.headers}
    assert len(headers) == len(told.headers)
    return ANNOUNCED.items() <= headers.items() and EXPLAINED in headers["link"]


async def test_a_deprecated_route_announces_its_end_on_the_short_way_too(ways: BothWays) -> None:
    order_id = await _placed(ways, "a")
    told = await ways.ask("GET", f"/v1/old-orders/{order_id}")
    assert (told.status, told.direct) == (200, True)
    assert _is_announced(told)
    successor = f'</v2/orders/{order_id}>; rel="successor-version"'
    assert told.header("link") == f"{EXPLAINED}, {successor}"
    assert told.header("etag") == '"1"'


async def test_a_list_keeps_its_link_to_the_next_page(ways: BothWays) -> None:
    for key in ("a", "b"):
        await _placed(ways, key)
    told = await ways.ask("GET", "/v1/old-orders?limit=1")
    assert (told.status, told.direct) == (200, True)
    assert _is_announced(told)
    next_page, _, explained = told.header("link").partition(", ")
    assert next_page.startswith("</v1/old-orders?limit=1&cursor=")
    assert next_page.endswith('>; rel="next"')
    assert explained == EXPLAINED


@pytest.mark.parametrize(
    ("target", "headers", "status"),
    [
        (f"/v1/old-orders/{SOME_ID}", [], 404),
        (f"/v1/old-orders/{SOME_ID}", [("Authorization", "Bearer x")], 401),
        ("/v1/old-orders?limit=0", [], 422),
        ("/v1/old-orders?unknown=1", [], 422),
        ("/v1/old-orders?cursor=x", [], 400),
        ("/v1/old-stream", [], 200),
    ],
)
async def test_every_answer_announces_it(
    ways: BothWays, target: str, headers: list[tuple[str, str]], status: int
) -> None:
    told = await ways.ask("GET", target, *headers)
    assert told.status == status
    assert _is_announced(told)


async def test_so_does_what_nobody_foresaw(ways: BothWays) -> None:
    for way in (ways.short, ways.ordinary):
        async with serving(way.app) as url, httpx2.AsyncClient(base_url=url) as client:
            answer = await client.get("/v1/old-failure")
            assert answer.status_code == 500
            assert ANNOUNCED.items() <= dict(answer.headers).items()


async def test_a_successor_is_a_good_link_whatever_is_in_the_path(ways: BothWays) -> None:
    told = await ways.ask("GET", "/v1/old-orders/a%3E%22%2C%C3%A9x:%20y")
    assert told.status == 404
    wanted = '</v2/orders/a%3E%22%2C%C3%A9x%3A%20y>; rel="successor-version"'
    assert told.header("link") == f"{EXPLAINED}, {wanted}"


async def test_a_route_that_stays_announces_nothing(ways: BothWays) -> None:
    order_id = await _placed(ways, "a")
    for target in (f"/v1/orders/{order_id}", f"/v1/orders/{SOME_ID}", "/v1/nothing", "/health"):
        told = await ways.ask("GET", target)
        names = {name for name, _ in told.headers}
        assert not names & {b"deprecation", b"sunset", b"link"}, target


async def test_it_is_announced_over_a_real_connection(ways: BothWays) -> None:
    bearer = {"Authorization": f"Bearer {ways.keys[0]}"}
    for way in (ways.short, ways.ordinary):
        async with serving(way.app) as url, httpx2.AsyncClient(base_url=url) as client:
            for method in ("GET", "HEAD"):
                answer = await client.request(method, "/v1/old-orders", headers=bearer)
                assert answer.status_code == 200
                assert ANNOUNCED.items() <= dict(answer.headers).items()
                assert answer.headers.get_list("link") == [EXPLAINED]


def test_the_document_says_it_too(app: FastAPI) -> None:
    stays = app.openapi()["paths"]
    other = FastAPI(openapi_url=None)
    other.include_router(router)
    describe(other)
    paths = other.openapi()["paths"]
    operation = paths["/v1/old-orders"]["get"]
    assert operation["deprecated"] is True
    assert "since 2027-01-01, and gone from 2028-07-01 on" in operation["description"]
    for response in operation["responses"].values():
        assert {"Deprecation", "Sunset", "Link"} <= response["headers"].keys()
    link = operation["responses"]["200"]["headers"]["Link"]["description"]
    assert 'rel="next"' in link
    assert 'rel="deprecation"' in link
    assert "successor" not in link
    assert "`/v2/orders/{order_id}`" in paths["/v1/old-orders/{order_id}"]["get"]["description"]
    assert not [each for path in stays.values() for each in path.values() if "deprecated" in each]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sunset": SINCE}, "at least 365 days after since"),
        ({"sunset": SINCE + timedelta(days=364)}, "at least 365 days after since"),
        ({"since": SINCE.replace(tzinfo=None)}, "in UTC"),
        ({"sunset": SUNSET.astimezone(timezone(timedelta(hours=1)))}, "in UTC"),
        ({"guide": "http://docs.example/"}, "https URL"),
        ({"guide": "https://docs.example/\r\nx: y"}, "https URL"),
        ({"guide": "https://docs.example/>"}, "https URL"),
        ({"successor": "v2/orders"}, "path or an https URL"),
        ({"successor": "/v2/or ders"}, "path or an https URL"),
    ],
)
def test_what_makes_no_sense_cannot_be_announced(changes: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {
        "since": SINCE,
        "sunset": SUNSET,
        "guide": GUIDE,
        "successor": "/v2/orders",
    }
    Deprecation(**good)
    with pytest.raises(ValueError, match=message):
        deprecated(**(good | changes))


class Zulu(tzinfo):
    """UTC, by another name."""

    def utcoffset(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def dst(self, when: datetime | None) -> timedelta:
        return timedelta(0)

    def tzname(self, when: datetime | None) -> str:
        return "Zulu"


def test_utc_has_several_names() -> None:
    zone = Zulu()
    found = Deprecation(
        since=SINCE.replace(tzinfo=zone), sunset=SUNSET.replace(tzinfo=zone), guide=GUIDE
    )
    assert {"deprecation": found.deprecation, "sunset": found.sunset_date} == ANNOUNCED


def test_a_successor_has_the_parameters_of_its_path() -> None:
    @deprecated(since=SINCE, sunset=SUNSET, guide=GUIDE, successor="/v2/orders/{id}")
    async def get_other(order_id: str) -> Response:
        """Fetch it."""
        return Response()

    app = FastAPI(openapi_url=None)
    app.add_api_route("/v1/others/{order_id}", get_other, response_model=None)
    describe(app)
    with pytest.raises(ValueError, match="other parameters"):
        app.openapi()
