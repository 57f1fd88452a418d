"""The pages for people, in a real browser: they work, and ask nobody but the server."""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.journeys.api import Api
from tests.journeys.browser import Page, opened
from tests.journeys.server import Shop

pytestmark = pytest.mark.anyio

PLACE = '[id$="-place_order"].opblock'
GET = '[id$="-get_order"].opblock'
KEY = '[data-param-name="Idempotency-Key"] input'


@pytest.fixture(scope="module")
def chromium() -> str:
    """HARBOR_TEST_CHROMIUM, or what is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    found = os.environ.get("HARBOR_TEST_CHROMIUM") or next(
        filter(None, map(shutil.which, names)), None
    )
    if found is None:
        pytest.skip("Chromium is not installed, and HARBOR_TEST_CHROMIUM names none")
    return found


@pytest.fixture
async def page(chromium: str, tmp_path: Path) -> AsyncIterator[Page]:
    async with opened(chromium, tmp_path / "profile") as page:
        yield page


def assert_it_kept_to_itself(page: Page, shop: Shop) -> None:
    asked = [urlsplit(url) for url in page.requests]
    assert {
        f"{url.scheme}://{url.netloc}" for url in asked if url.scheme not in ("data", "blob")
    } == {shop.server.url}
    assert page.complaints == []


async def test_an_order_is_placed_and_fetched_from_docs(
    page: Page, embedded_shop: Shop, embedded_till: Api, tmp_path: Path
) -> None:
    await page.open(f"{embedded_shop.server.url}/docs")
    assert "Harbor Payments" in await page.text("#docs .info .title")
    await _authorize(page, embedded_till.api_key)
    (tmp_path / "authorized.png").write_bytes(await page.screenshot())

    await page.click(f"{PLACE} .opblock-summary-control")
    assert re.fullmatch(r"[0-9a-f]{32}", await page.value(f"{PLACE} {KEY}"))
    placed = await _tried(page, PLACE, "201")
    assert placed["status"] == "pending"
    assert "idempotent-replayed: false" in await page.text(f"{PLACE} .live-responses-table")
    (tmp_path / "placed.png").write_bytes(await page.screenshot(f"{PLACE} .responses-wrapper"))
    assert await _tried(page, PLACE, "200") == placed

    await page.click(f"{GET} .opblock-summary-control")
    await page.type(f'{GET} [data-param-name="order_id"] input', placed["id"])
    fetched = await _tried(page, GET, "200")
    assert fetched["id"] == placed["id"]
    assert [order["id"] for order in await embedded_till.walk("/v1/orders")] == [placed["id"]]
    (tmp_path / "fetched.png").write_bytes(await page.screenshot(GET))
    assert_it_kept_to_itself(page, embedded_shop)


async def test_each_operation_is_given_a_key_of_its_own(page: Page, embedded_shop: Shop) -> None:
    """Or the second operation that a person tries would be refused: the key is the first one's."""
    await page.open(f"{embedded_shop.server.url}/docs")
    keys = []
    for operation in ("place_order", "refund_order", "capture_order"):
        await page.click(f'[id$="-{operation}"].opblock .opblock-summary-control')
        keys.append(await page.value(f'[id$="-{operation}"].opblock {KEY}'))
    assert len(set(keys)) == len(keys)
    # What may be left out is left out: an order's version is not guessed.
    if_match = '[id$="-refund_order"].opblock [data-param-name="If-Match"] input'
    assert await page.until(f"document.querySelector('{if_match}')?.value === ''")


async def _authorize(page: Page, api_key: str) -> None:
    await page.click("#docs .scheme-container .btn.authorize")
    await page.type("#docs .modal-ux input", api_key)
    await page.click("#docs .modal-ux .btn.authorize")
    assert "Authorized" in await page.text("#docs .modal-ux .auth-container")
    await page.click("#docs .modal-ux .btn-done")


async def _tried(page: Page, operation: str, status: str) -> dict[str, Any]:
    """The JSON that the page shows after Execute, once it shows this status."""
    await page.click(f"{operation} .btn.execute")
    live = f"{operation} .live-responses-table"
    await page.until(
        f"document.querySelector('{live} .response .response-col_status')?.innerText"
        f".startsWith('{status}')"
    )
    document: dict[str, Any] = json.loads(await page.text(f"{live} .highlight-code pre"))
    return document


async def test_the_reference_is_read_and_searched_at_redoc(
    page: Page, embedded_shop: Shop, tmp_path: Path
) -> None:
    await page.open(f"{embedded_shop.server.url}/redoc")
    assert "Harbor Payments" in await page.text("#docs h1")
    await page.type('#docs [role="search"] input', "refund")
    assert "refund" in (await page.text('#docs [data-role="search:results"]')).lower()
    (tmp_path / "redoc.png").write_bytes(await page.screenshot())
    assert_it_kept_to_itself(page, embedded_shop)
