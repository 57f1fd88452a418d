"""What Harbor uses Redis for, on one client."""

from dataclasses import dataclass

from redis.asyncio import Redis

from adapters.redis.client import RedisProbe, redis_client
from adapters.redis.idempotency import RedisReplayCache
from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisParts:
    client: Redis
    replay_cache: RedisReplayCache
    probe: RedisProbe

    @classmethod
    def build(
        cls, url: str, *, inner: IdempotencyStore, clock: Clock, secret: bytes, kept_seconds: int
    ) -> "RedisParts":
        client = redis_client(url)
        cache = RedisReplayCache(inner, client, clock, secret, kept_seconds=kept_seconds)
        return cls(client=client, replay_cache=cache, probe=RedisProbe(client))

    async def close(self) -> None:
        """Finish the writes under way, then let go."""
        await self.replay_cache.drain()
        await self.client.aclose()
