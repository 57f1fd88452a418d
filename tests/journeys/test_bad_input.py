"""Whatever comes in: the right 4xx goes out, within a second, and nothing is left behind."""

import asyncio
import json
from typing import Any

import pytest

from entrypoints.http.problems import KINDS, MEDIA_TYPE
from tests.journeys.api import Api, a_key, new_merchant, path_of_key
from tests.journeys.bad_input import MARKER, PLAIN, Bad, all_bad_input, headers_of
from tests.journeys.raw import RawAnswer, connected, exchange, request
from tests.journeys.server import Harbor, HarborServer

pytestmark = pytest.mark.anyio

SECONDS = 1.0
LARGE = 1_000_000
"""A client that sends this much is read for a moment, so that it sees its answer."""
TABLE = all_bad_input()


@pytest.fixture(scope="module")
def api_key(harbor: Harbor) -> str:
    """One merchant for the whole table, who never gets an order or a second key."""
    return asyncio.run(new_merchant(harbor))


@pytest.mark.parametrize("bad", TABLE, ids=[bad.name for bad in TABLE])
async def test_bad_input_is_refused(server: HarborServer, api_key: str, bad: Bad) -> None:
    key = a_key()
    answer = await _send(server, bad, api_key, key)
    assert answer.status == bad.status, answer.body
    assert MARKER.encode() not in answer.body
    if bad.code != PLAIN and bad.method != "HEAD":
        _is_the_problem(answer, bad)
    assert (await _get(server, "/v1/orders", api_key))["data"] == []
    assert (await _get(server, path_of_key(key), api_key))["state"] == "never_seen"
    assert len((await _get(server, "/v1/api-keys", api_key))["data"]) == 1


async def _get(server: HarborServer, path: str, api_key: str) -> Any:
    bearer = {"Authorization": f"Bearer {api_key}"}
    return json.loads((await exchange(server, request("GET", path, bearer))).body)


def _is_the_problem(answer: RawAnswer, bad: Bad) -> None:
    document = json.loads(answer.body)
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert (document["code"], document["status"]) == (bad.code, bad.status), document
    assert document["title"] == KINDS[bad.code].title
    assert document["request_id"] == answer.headers["x-request-id"]
    if bad.pointer is not None:
        assert document["errors"][0]["pointer"] == bad.pointer, document
    assert len(document.get("errors", ())) <= 10
    for error in document.get("errors", ()):
        assert set(error) == {"pointer", "code", "detail"}


async def _send(server: HarborServer, bad: Bad, api_key: str, key: str) -> RawAnswer:
    lines = [f"{bad.method} {bad.target} HTTP/1.1", "Host: harbor"]
    lines += [f"{name}: {value}" for name, value in headers_of(bad, api_key, key)]
    if bad.body is not None:
        lines.append(f"Content-Length: {len(bad.body)}")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    patience = SECONDS if len(bad.body or b"") < LARGE else 2 * SECONDS
    async with connected(server) as connection, asyncio.timeout(patience):
        await connection.send(head + (bad.body or b""))
        return await connection.answer(to_head=bad.method == "HEAD")


async def test_the_table_has_more_than_120_lines() -> None:
    assert len({bad.name for bad in TABLE}) == len(TABLE) > 120


async def test_after_all_of_it_at_once_the_service_works_and_the_pool_is_whole(
    server: HarborServer, api: Api
) -> None:
    """Twice over and 20 at a time; the pool has 10 connections."""
    turns = asyncio.Semaphore(20)

    async def send(bad: Bad) -> None:
        async with turns:
            await _send(server, bad, api.api_key, a_key())

    small = [bad for bad in TABLE if len(bad.body or b"") < LARGE]
    await asyncio.gather(*(send(bad) for bad in small * 2))
    assert (await api.get("/v1/orders")).json()["data"] == []
    placed = await asyncio.gather(*(api.place() for _ in range(40)))
    assert {answer.status_code for answer in placed} == {201}
    assert (await api.get("/ready")).status_code == 200
    assert len(await api.walk("/v1/orders")) == 40
