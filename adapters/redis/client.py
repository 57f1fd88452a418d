"""The Redis client, and whether it answers."""

import asyncio
from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from application.ports.readiness import Finding, ReadinessProbe

_CONNECT_SECONDS: Final = 1.0
_CONNECTIONS: Final = 32
_PROBE_SECONDS: Final = 2.0


def redis_client(url: str) -> Redis:
    """Connects when first used. It never tries again by itself: the caller has a time budget."""
    client: Redis = Redis.from_url(
        url,
        max_connections=_CONNECTIONS,
        socket_connect_timeout=_CONNECT_SECONDS,
        socket_timeout=_CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    return client


class RedisProbe(ReadinessProbe):
    """Redis is never required: without it, repeats are answered from the database."""

    def __init__(self, client: Redis) -> None:
        self._client = client

    async def examine(self) -> Finding:
        problem = None
        try:
            async with asyncio.timeout(_PROBE_SECONDS):
                await self._client.ping()
        except Exception:
            problem = (
                "Redis does not answer: check HARBOR_REDIS_URL. Orders are safe without it, repeats"
                " are slower."
            )
        return Finding(name="redis", problem=problem, required=False)
