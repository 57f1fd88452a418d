"""A replay cache in front of the truth. It may make an answer faster, never another one."""

import asyncio
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from redis.asyncio import Redis
from redis.exceptions import MaxConnectionsError

from adapters.redis.answer_bytes import AnswerBytes
from adapters.redis.breaker import Breaker
from application.ports.clock import Clock
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer

_BUDGET_SECONDS: Final = 0.03
_MOST_PENDING_WRITES: Final = 256


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
        self._client = client
        self._clock = clock
        self._bytes = AnswerBytes(secret)
        self._breaker = Breaker(clock)
        self._kept_seconds = kept_seconds
        self._writes: dict[bytes, asyncio.Task[None]] = {}

    async def recall(self, merchant_id: UUID, key: str) -> StoredAnswer | None:
        if not self._breaker.allows():
            return None
        try:
            async with asyncio.timeout(_BUDGET_SECONDS):
                packed: Any = await self._client.get(self._bytes.cache_key(merchant_id, key))
            answer = self._bytes.unpack(bytes(packed), merchant_id, key) if packed else None
        except MaxConnectionsError:
            # We are busy, not Redis.
            return None
        except Exception:
            # Whatever Redis says or holds, nonsense included, is at the worst a miss.
            self._breaker.failed()
            return None
        self._breaker.succeeded()
        return answer

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
        """Wait for the writes that are under way; each has a small time budget."""
        if self._writes:
            await asyncio.wait(self._writes.values())

    def _remember(self, answer: StoredAnswer) -> None:
        """Called only after the commit was acknowledged. Nobody waits for it; when Redis is slow
        the excess is dropped."""
        if answer.sealed or answer.body is None:
            return
        name = self._bytes.cache_key(answer.merchant_id, answer.key)
        if name in self._writes or len(self._writes) >= _MOST_PENDING_WRITES:
            return
        if self._breaker.allows():
            write = asyncio.create_task(self._write(name, answer))
            self._writes[name] = write
            write.add_done_callback(lambda _: self._writes.pop(name))

    async def _write(self, name: bytes, answer: StoredAnswer) -> None:
        left = (answer.expires_at - self._clock.now()).total_seconds()
        if left < 1:
            return
        try:
            async with asyncio.timeout(_BUDGET_SECONDS):
                expiry = min(self._kept_seconds, int(left))
                await self._client.set(name, self._bytes.pack(answer), ex=expiry)
        except MaxConnectionsError:
            return
        except Exception:
            self._breaker.failed()
        else:
            self._breaker.succeeded()
