"""A replay cache in front of the truth. It may make an answer faster, never another one."""

from datetime import datetime
from uuid import UUID

from redis.asyncio import Redis

from adapters.redis.answer_bytes import AnswerBytes
from adapters.redis.breaker import Breaker
from adapters.redis.turns import Turns
from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer


class RedisReplayCache(IdempotencyStore):
    """Holds whole answers that were committed. It never locks, never says that a key was not
    seen, never lets anything run: a full hit is answered from it, everything else is a miss.

    What it holds is authenticated, so that a poisoned entry is a miss too; an entry of an old dump
    is as true as on its first day, for the answer to a key never changes.
    """

    def __init__(
        self,
        inner: IdempotencyStore,
        client: Redis,
        clock: Clock,
        secret: bytes,
        *,
        kept_seconds: int = 86_400,
    ) -> None:
        self._inner = inner
        self._redis = Turns(client, Breaker(clock))
        self._clock = clock
        self._bytes = AnswerBytes(secret)
        self._kept_seconds = kept_seconds

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        packed = await self._redis.get(self._bytes.cache_key(merchant_id, key))
        try:
            return None if packed is None else self._bytes.unpack(packed, merchant_id, key)
        except Exception:
            # Whatever Redis holds, nonsense included, is at the worst a miss.
            return None

    async def record(self, record: Record) -> Standing:
        standing = await self._inner.record(record)
        self._remember(standing.answer)
        return standing

    async def find(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        return await self._inner.find(merchant_id, key)

    async def is_running(self, merchant_id: UUID, key: str) -> bool:
        return await self._inner.is_running(merchant_id, key)

    async def drop_expired_bodies(self, now: datetime, limit: int) -> int:
        return await self._inner.drop_expired_bodies(now, limit)

    async def drain(self) -> None:
        """Wait for what is under way; each journey to Redis has a small time budget."""
        await self._redis.drain()

    def _remember(self, answer: StoredAnswer) -> None:
        """Called only after the commit was acknowledged."""
        if answer.sealed or answer.body is None:
            return
        left = (answer.expires_at - self._clock.now()).total_seconds()
        if left >= 1:
            name = self._bytes.cache_key(answer.merchant_id, answer.key)
            self._redis.set(name, self._bytes.pack(answer), min(self._kept_seconds, int(left)))
