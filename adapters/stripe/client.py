"""Stripe's API over HTTP: form fields out, one JSON object back, everything bounded."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from adapters.stripe.translate import is_missing, unanswered
from adapters.stripe.wire import Answer, Call, Json, look
from domain.payment import Unknown

if TYPE_CHECKING:
    from aiohttp import ClientResponse, ClientSession

API_BASE: Final = "https://api.stripe.com"
API_VERSION: Final = "2025-03-31.basil"
"""Pinned, so that nobody changes what answers mean by a click in Stripe's dashboard.
https://docs.stripe.com/api/versioning"""

MAX_BODY_BYTES: Final = 1_000_000
MAX_PAGE_BYTES: Final = 8_000_000
"""A page of a hundred payment intents with their charges is a few hundred kilobytes."""
PAGE_ITEMS: Final = 100
MAX_PAGES: Final = 20_000

LONGEST_PAUSE: Final = timedelta(minutes=1)
"""Between two attempts at a page, whatever Stripe asks for."""
MISSING: Final = Unknown("missing")
"""Why a list of what belongs to something that Stripe does not have could not be read."""
_PASSING: Final = frozenset({"timeout", "unreachable", "throttled", "server_error"})

_VISIBLE: Final = re.compile(r"[!-~]{1,255}")


class NoPage(Exception):
    """A list could not be read to its end. `unknown` says why."""

    def __init__(self, unknown: Unknown) -> None:
        super().__init__(unknown.problem)
        self.unknown = unknown


class StripeClient:
    """Makes single calls, and repeats none by itself but the pages of a list, where it is told to.
    Nothing that it raises, returns or shows holds the API key; errors of the HTTP library, which
    hold the request, go no further."""

    def __init__(
        self,
        api_key: str,
        *,
        base_url: str = API_BASE,
        connections: int = 256,
        patience_seconds: float = 20.0,
    ) -> None:
        """`patience_seconds` bounds each single call, from the wait for a connection to the last
        byte. Raises ValueError for a key that no header can hold."""
        if _VISIBLE.fullmatch(api_key) is None:
            raise ValueError("The Stripe API key is not 1 to 255 visible ASCII characters.")
        self._api_key = api_key
        self._base_url = base_url.rstrip("/")
        self._connections = connections
        self._patience_seconds = patience_seconds
        self._opened: ClientSession | None = None

    async def send(self, call: Call, *, max_bytes: int = MAX_BODY_BYTES) -> Answer | Unknown:
        """The answer, whatever its status; else why there is none. It raises nothing."""
        # A process that never asks Stripe does without it.
        from aiohttp import ClientConnectorError

        try:
            async with asyncio.timeout(self._patience_seconds):
                return await self._send(call, max_bytes)
        except TimeoutError:
            return Unknown("timeout")
        except ClientConnectorError:
            # There was no connection on which anything could have been sent.
            return Unknown("unreachable", untouched=True)
        except Exception:
            # No connection, a broken one, or no HTTP: all the same, nobody knows what was done.
            return Unknown("unreachable")

    async def pages(
        self, path: str, *fields: tuple[str, str], pauses: Sequence[timedelta] = ()
    ) -> AsyncGenerator[Json]:
        """Every item of a list, newest first. A page that does not come is asked for again after
        each of the `pauses`. https://docs.stripe.com/api/pagination

        Raises NoPage.
        """
        after: tuple[tuple[str, str], ...] = ()
        for _ in range(MAX_PAGES):
            page = look(path, *fields, ("limit", str(PAGE_ITEMS)), *after)
            items, has_more = _items(await self._page(page, pauses))
            for item in items:
                yield item
            if not has_more:
                return
            last = (("starting_after", _id_of_last(items)),)
            if last == after:
                break
            after = last
        raise NoPage(Unknown("unreadable"))

    async def _page(self, page: Call, pauses: Sequence[timedelta]) -> Answer | Unknown:
        for pause in pauses:
            answer = await self.send(page, max_bytes=MAX_PAGE_BYTES)
            problem = answer if isinstance(answer, Unknown) else unanswered(answer)
            if problem is None or problem.problem not in _PASSING:
                return answer
            await asyncio.sleep(longer(pause, problem.retry_after).total_seconds())
        return await self.send(page, max_bytes=MAX_PAGE_BYTES)

    async def close(self) -> None:
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened.close()

    async def _send(self, call: Call, max_bytes: int) -> Answer | Unknown:
        from adapters.http_client import answer_to

        fields = urlencode(call.fields)
        in_url = call.method == "GET"
        headers = {} if call.key is None else {"Idempotency-Key": call.key}
        if not in_url:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        url = f"{self._base_url}{call.path}" + (f"?{fields}" if in_url and fields else "")
        content = None if in_url else fields.encode()
        async with answer_to(
            self._session(), call.method, url, content=content, headers=headers
        ) as response:
            body = _parsed(await _read(response, max_bytes))
            if not isinstance(body, dict):
                return _unreadable(response.status)
            return Answer(
                status=response.status,
                body=body,
                retry_after=response.headers.get("retry-after"),
                is_replay=response.headers.get("idempotent-replayed") == "true",
            )

    def _session(self) -> "ClientSession":
        """Opened when it is first needed: a process that never asks Stripe pays nothing for it."""
        if self._opened is None:
            from adapters.http_client import http_session

            self._opened = http_session(
                connections=self._connections,
                headers={
                    "Authorization": f"Bearer {self._api_key}",
                    "Stripe-Version": API_VERSION,
                    "User-Agent": "harbor",
                },
            )
        return self._opened


def longer(pause: timedelta, asked_for: timedelta | None) -> timedelta:
    """The pause, or what Stripe asks for where that is longer, within reason."""
    return max(pause, min(asked_for or pause, LONGEST_PAUSE))


async def _read(response: "ClientResponse", max_bytes: int) -> bytes | None:
    """The body as it came; None when it is too long or compressed against our wish."""
    from adapters.http_client import read_at_most

    if response.headers.get("content-encoding", "identity") != "identity":
        return None
    return await read_at_most(response, max_bytes)


def _parsed(body: bytes | None) -> Json:
    try:
        return None if body is None else json.loads(body)
    except (ValueError, RecursionError):
        return None


def _unreadable(status: int) -> Unknown:
    """Also a proxy's 502, and a redirect: what the status tells is told, whatever the body."""
    return unanswered(Answer(status=status, body={})) or Unknown("unreadable")


def _items(answer: Answer | Unknown) -> tuple[list[Json], bool]:
    if isinstance(answer, Unknown):
        raise NoPage(answer)
    items = answer.body.get("data")
    if is_missing(answer):
        raise NoPage(MISSING)
    if answer.status != HTTPStatus.OK or not isinstance(items, list):
        raise NoPage(unanswered(answer) or Unknown("unreadable"))
    return items, answer.body.get("has_more") is True


def _id_of_last(items: list[Json]) -> str:
    last = items[-1].get("id") if items and isinstance(items[-1], dict) else None
    if not isinstance(last, str):
        raise NoPage(Unknown("unreadable"))
    return last
