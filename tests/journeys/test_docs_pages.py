"""What the pages for people are made of. test_docs_in_a_browser.py opens them."""

import json
import re

import httpx2
import pytest

from tests.journeys.api import Api, assert_problem
from tests.journeys.raw import exchange, request
from tests.journeys.server import HarborServer

pytestmark = pytest.mark.anyio

PAGES = ("/docs", "/redoc")
REFERENCE = re.compile(r'(?:href|src)="([^"]*)"')
TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
    "json": "application/json",
}


async def _references(api: Api, page: str) -> set[str]:
    return set(REFERENCE.findall((await api.client.get(page)).text))


@pytest.mark.parametrize("page", PAGES)
async def test_a_page_is_made_of_files_that_are_served_beside_it(
    sqlite_api: Api, page: str
) -> None:
    references = await _references(sqlite_api, page)
    assert len(references) >= 5
    for reference in references:
        # Relative, so that a proxy may put the service under any path.
        assert reference.startswith("./")
        answer = await sqlite_api.client.get(reference.removeprefix("."))
        assert answer.status_code == 200
        assert answer.headers["content-type"] == TYPES[reference.rpartition(".")[2]]
        assert b"https://cdn." not in answer.content
        assert len(answer.content) == int(answer.headers["content-length"])


@pytest.mark.parametrize("page", PAGES)
async def test_a_policy_keeps_a_page_to_its_own_server(sqlite_api: Api, page: str) -> None:
    answer = await sqlite_api.client.get(page)
    policy = dict(
        directive.strip().split(" ", 1)
        for directive in answer.headers["content-security-policy"].split(";")
    )
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert set(" ".join(policy.values()).split()) <= {
        *("'none'", "'self'", "'unsafe-inline'"),
        *("data:", "blob:"),
    }
    assert "<style" not in answer.text
    assert not re.search(r"<script(?! src=)", answer.text)


@pytest.mark.parametrize("path", [*PAGES, "/docs/assets/swagger-ui.css", "/docs/assets/docs.js"])
async def test_who_has_a_file_is_not_sent_it_again(sqlite_api: Api, path: str) -> None:
    client = sqlite_api.client
    first = await client.get(path)
    assert first.headers["cache-control"] == "no-cache"
    for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
        again = await client.get(path, headers={"If-None-Match": known})
        assert (again.status_code, again.content) == (304, b"")
        for name in ("etag", "cache-control", "content-security-policy"):
            assert again.headers[name] == first.headers[name]
    other = await client.get(path, headers={"If-None-Match": '"other"'})
    assert (other.status_code, other.content) == (200, first.content)


@pytest.mark.parametrize("path", [*PAGES, "/docs/assets/redoc.standalone.js"])
async def test_a_page_answers_head_and_no_other_method(sqlite_api: Api, path: str) -> None:
    client = sqlite_api.client
    whole, head = await client.get(path), await client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert _lasting(head) == _lasting(whole)
    refused = await client.post(path)
    assert_problem(refused, 405, "method_not_allowed")
    assert refused.headers["allow"] == "GET, HEAD"


def _lasting(answer: httpx2.Response) -> dict[str, str]:
    return {name: answer.headers[name] for name in answer.headers if name not in _EACH_TIME}


_EACH_TIME = ("date", "x-request-id")


@pytest.mark.parametrize(
    "name",
    [
        *("", "docs.html", "redoc.html", "favicon.png", "core.py", "DOCS.JS", "docs.js/"),
        *("../docs_pages.py", "..%2fdocs_pages.py", "%2e%2e/docs_pages.py", "..%5cdocs_pages.py"),
        *("pages/docs.js", "%2fetc%2fpasswd", "....//docs.js", "./../../openapi.json"),
    ],
)
async def test_no_other_file_is_served(sqlite_server: HarborServer, name: str) -> None:
    # As bytes, for a client would tidy the path up.
    answer = await exchange(sqlite_server, request("GET", f"/docs/assets/{name}"))
    assert (answer.status, json.loads(answer.body)["code"]) == (404, "not_found")
