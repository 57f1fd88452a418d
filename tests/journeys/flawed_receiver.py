"""A partner's webhook receiver with one flaw. Without it, it would pass."""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TOLERANCE_SECONDS = 300
KNOWN_TYPES = {"order.processing", "order.paid"}
KNOWN_MEMBERS = {"id", "type", "timestamp", "sequence", "data"}


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a receiver goes about it; the defaults are right."""

    verifies: bool = True
    heeds_timestamp: bool = True
    judges_event_time: bool = False
    tries_signatures: str = "each"
    """Or "first", or "only": the header has to be one signature."""
    rewrites_body: bool = False
    largest_body: int = 2**20
    knows_duplicates: bool = True
    answer_to_duplicates: int = 204
    looks_then_writes: bool = False
    remembers_forgeries: bool = False
    refuses_unknown_types: bool = False
    refuses_unknown_members: bool = False
    needs_order: bool = False
    refuses_older: bool = False
    loses_everything: bool = False
    one_at_a_time: bool = False
    redirects: bool = False


FLAWS: Mapping[str, Ways] = {
    "none": Ways(),
    "verifies nothing": Ways(verifies=False),
    "ignores the timestamp": Ways(heeds_timestamp=False),
    "takes the event's time for the attempt's": Ways(judges_event_time=True),
    "tries the first signature": Ways(tries_signatures="first"),
    "takes the header for one signature": Ways(tries_signatures="only"),
    "verifies what it has written again": Ways(rewrites_body=True),
    "takes bodies of 64 kB": Ways(largest_body=65_536),
    "processes duplicates": Ways(knows_duplicates=False),
    "refuses duplicates": Ways(answer_to_duplicates=409),
    "looks, then writes": Ways(looks_then_writes=True),
    "remembers forgeries": Ways(remembers_forgeries=True),
    "refuses unknown types": Ways(refuses_unknown_types=True),
    "refuses unknown members": Ways(refuses_unknown_members=True),
    "needs an order": Ways(needs_order=True),
    "refuses what is older": Ways(refuses_older=True),
    "loses everything": Ways(loses_everything=True),
    "works before it answers, one at a time": Ways(one_at_a_time=True),
    "redirects": Ways(redirects=True),
}


class Receiver:
    """`processed` is the file to which it writes the id of each event that it has processed."""

    def __init__(self, ways: Ways, secret: str, processed: Path) -> None:
        self.app = Starlette(routes=[Route("/hook", self.receive, methods=["POST"])])
        self._ways = ways
        self._key = base64.b64decode(secret.removeprefix("whsec_"))
        self._processed = processed
        self._processed.touch()
        self._seen: set[str] = set()
        self._versions: dict[str, int] = {}
        self._turn = asyncio.Lock()

    async def receive(self, request: Request) -> Response:
        body = await request.body()
        if self._ways.redirects:
            return Response(status_code=307, headers={"Location": "/elsewhere"})
        if len(body) > self._ways.largest_body:
            return Response(status_code=413)
        if self._ways.verifies and not self._is_genuine(request.headers, body):
            if self._ways.remembers_forgeries:
                self._seen.add(request.headers.get("webhook-id", ""))
            return Response(status_code=400)
        return Response(status_code=await self._accept(json.loads(body)))

    def _is_genuine(self, headers: Mapping[str, str], body: bytes) -> bool:
        try:
            event_id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
            given, age = headers["webhook-signature"], time.time() - int(timestamp)
        except (KeyError, ValueError):
            return False
        if self._ways.heeds_timestamp and abs(age) > TOLERANCE_SECONDS:
            return False
        if self._ways.rewrites_body:
            body = as_javascript_writes(json.loads(body))
        signed = b".".join([event_id.encode(), timestamp.encode(), body])
        digest = hmac.digest(self._key, signed, hashlib.sha256)
        expected = f"v1,{base64.b64encode(digest).decode()}"
        tried = [given] if self._ways.tries_signatures == "only" else given.split(" ")
        if self._ways.tries_signatures == "first":
            tried = tried[:1]
        return any(hmac.compare_digest(expected.encode(), each.encode()) for each in tried)

    async def _accept(self, event: dict[str, Any]) -> int:
        """The status of the answer."""
        problem = self._problem(event)
        if problem:
            return problem
        if self._ways.looks_then_writes:
            is_new = event["id"] not in self._seen
            await asyncio.sleep(0.3)
        else:
            is_new = event["id"] not in self._seen or not self._ways.knows_duplicates
        self._seen.add(event["id"])
        if not is_new:
            return self._ways.answer_to_duplicates
        if self._ways.one_at_a_time:
            async with self._turn:
                await asyncio.sleep(0.4)
        if not self._ways.loses_everything:
            with self._processed.open("a") as file:
                file.write(f"{event['id']}\n")
        return 204

    def _problem(self, event: dict[str, Any]) -> int | None:
        ways = self._ways
        order = event["data"].get("order", {})
        is_old = not event["timestamp"].startswith(time.strftime("%Y-%m-%dT", time.gmtime()))
        if ways.judges_event_time and is_old:
            return 400
        if ways.refuses_unknown_types and event["type"] not in KNOWN_TYPES:
            return 422
        if ways.refuses_unknown_members and not KNOWN_MEMBERS.issuperset(event):
            return 422
        if ways.needs_order and not order:
            return 500
        known = self._versions.get(order.get("id"), 0)
        self._versions[order.get("id")] = max(known, order.get("version", 0))
        return 409 if ways.refuses_older and order.get("version", 0) < known else None


def as_javascript_writes(value: object) -> bytes:
    """JSON.stringify(JSON.parse(text)): whole numbers come first among the names of members."""
    return json.dumps(_in_order(value), ensure_ascii=False, separators=(",", ":")).encode()


def _in_order(value: object) -> object:
    if not isinstance(value, dict):
        return value
    numbers = sorted((name for name in value if name.isdigit() and name == str(int(name))), key=int)
    others = [name for name in value if name not in numbers]
    return {name: _in_order(value[name]) for name in (*numbers, *others)}
