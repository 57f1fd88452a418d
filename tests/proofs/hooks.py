"""Many webhook endpoints of one merchant: some healthy, some slow, some dead."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from standardwebhooks.webhooks import Webhook
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.journeys.api import Api
from tests.serving import serving
from tests.support.server import free_port


class Kind(StrEnum):
    HEALTHY = "healthy"
    SLOW = "slow"
    """It answers 204, in its own time."""
    DEAD = "dead"
    """Nobody listens there."""


@dataclass(slots=True, kw_only=True)
class Place:
    """An endpoint and what came in. `first` has the moment (of the clock of the day) at which each
    event came first, in that order; `again` how often it came after that."""

    id: str
    kind: Kind
    secret: str
    first: dict[str, float] = field(default_factory=dict)
    again: dict[str, int] = field(default_factory=dict)

    @property
    def duplicates(self) -> int:
        return sum(self.again.values())

    @property
    def arrivals(self) -> int:
        return len(self.first) + self.duplicates


@dataclass(slots=True, kw_only=True)
class Places:
    """All of them. `bodies` has each event's bytes as they came first, anywhere; `changed` are
    events that came with other bytes after that, `unsigned` counts what does not verify."""

    slow_seconds: float
    all: list[Place] = field(default_factory=list)
    bodies: dict[str, bytes] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    unsigned: int = 0

    def of(self, kind: Kind) -> list[Place]:
        return [place for place in self.all if place.kind is kind]

    async def receive(self, request: Request) -> Response:
        at, body = time.time(), await request.body()
        place = self.all[request.path_params["number"]]
        try:
            Webhook(place.secret).verify(body, dict(request.headers))
        except Exception:  # of whatever kind
            self.unsigned += 1
            return Response(status_code=400)
        event_id = request.headers["webhook-id"]
        if event_id in place.first:
            place.again[event_id] = place.again.get(event_id, 0) + 1
        place.first.setdefault(event_id, at)
        if self.bodies.setdefault(event_id, body) != body:
            self.changed.append(event_id)
        if place.kind is Kind.SLOW:
            await asyncio.sleep(self.slow_seconds)
        return Response(status_code=204)


@asynccontextmanager
async def places_of(
    api: Api, kinds: Mapping[Kind, int], *, slow_seconds: float
) -> AsyncIterator[Places]:
    """Registered, on ports of the loopback."""
    places = Places(slow_seconds=slow_seconds)
    route = Route("/{number:int}", places.receive, methods=["POST"])
    async with serving(Starlette(routes=[route])) as url:
        nobody = f"http://127.0.0.1:{free_port()}"
        for kind in (kind for kind, count in kinds.items() for _ in range(count)):
            base = nobody if kind is Kind.DEAD else url
            target = {"url": f"{base}/{len(places.all)}"}
            answer = await api.post("/v1/webhook-endpoints", target)
            assert answer.status_code == 201, answer.text
            made = answer.json()
            places.all.append(Place(id=made["id"], kind=kind, secret=made["secret"]))
        yield places
