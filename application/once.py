"""Run a change once per idempotency key, and replay its answer to every repeat."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from application.errors import (
    ApplicationError,
    IdempotencyKeyExpired,
    IdempotencyKeyReused,
    SecretNoLongerAvailable,
)
from application.fingerprint import digest_of, fingerprint
from application.ports.clock import Clock
from application.ports.faults import ChangedMeanwhile, StorageUnavailable
from application.ports.idempotency import IdempotencyStore, Record, Standing, StoredAnswer
from application.ports.vault import CannotOpen, Vault
from domain.delivery import Redelivery
from domain.errors import DomainError
from domain.event import EndpointEvent
from domain.merchant import ApiKeyChange
from domain.order import Change
from domain.quick import quick
from domain.webhook import EndpointChange

ANSWER_KEPT: Final = timedelta(days=30)
SECRET_KEPT: Final = timedelta(hours=24)
CREATED: Final = 201

_TRIES: Final = 5


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """Who asks for what under which key. `body` is the request's JSON object as it was sent."""

    merchant_id: UUID
    key: str
    route: str
    body: Mapping[str, object]


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a use case made, before it is saved. `body` is the answer's JSON text, `document` the
    changed order's."""

    resource_type: str
    resource_id: UUID
    location: str
    body: bytes
    change: Change | ApiKeyChange | EndpointChange | EndpointEvent | Redelivery
    document: bytes | None = None
    holds_secret: bool = False
    status: int = CREATED


@quick
@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the caller gets. A replay has the status and the bytes of the first."""

    status: int
    body: bytes
    location: str
    replayed: bool


class Once:
    """The order of steps that every use case with an idempotency key shares."""

    def __init__(self, *, answers: IdempotencyStore, vault: Vault, clock: Clock) -> None:
        self._answers = answers
        self._vault = vault
        self._clock = clock

    async def __call__(self, claim: Claim, make: Callable[[datetime], Awaitable[Made]]) -> Answer:
        """The answer to `claim`; `make` is awaited only if no answer is at hand.

        Raises IdempotencyKeyReused, IdempotencyKeyExpired, SecretNoLongerAvailable, whatever
        `make` raises (nothing is kept then), and the faults of IdempotencyStore.record.
        """
        now = self._clock.now()
        recalled = await self._answers.recall(claim.merchant_id, claim.key)
        if recalled is not None:
            return self._replay(claim, recalled, now)
        for _ in range(_TRIES):
            try:
                made = await make(now)
            except (DomainError, ApplicationError):
                # What is refused today may be the repeat of what succeeded yesterday.
                stored = await self._answers.find(claim.merchant_id, claim.key)
                if stored is None:
                    raise
                return self._replay(claim, stored, now)
            try:
                standing = await self._answers.record(self._to_record(claim, made, now))
            except ChangedMeanwhile:
                continue
            return self._answer(claim, made, standing, now)
        raise StorageUnavailable("What the request changes was changed each time it was tried.")

    def _answer(self, claim: Claim, made: Made, standing: Standing, now: datetime) -> Answer:
        if not standing.fresh:
            return self._replay(claim, standing.answer, now)
        return Answer(status=made.status, body=made.body, location=made.location, replayed=False)

    def _to_record(self, claim: Claim, made: Made, now: datetime) -> Record:
        answer = StoredAnswer(
            merchant_id=claim.merchant_id,
            key=claim.key,
            route=claim.route,
            fingerprint=fingerprint(claim.route, claim.body),
            resource_type=made.resource_type,
            resource_id=made.resource_id,
            status=made.status,
            location=made.location,
            body=made.body,
            sealed=False,
            created_at=now,
            expires_at=now + ANSWER_KEPT,
        )
        if made.holds_secret:
            answer = replace(
                answer,
                body=self._vault.seal(made.body, _context(claim)),
                sealed=True,
                expires_at=now + SECRET_KEPT,
            )
        return Record(answer=answer, change=made.change, document=made.document)

    def _replay(self, claim: Claim, stored: StoredAnswer, now: datetime) -> Answer:
        if stored.route != claim.route:
            raise IdempotencyKeyReused(())
        if stored.fingerprint.digest != digest_of(claim.route, claim.body):
            asked = fingerprint(claim.route, claim.body)
            raise IdempotencyKeyReused(stored.fingerprint.differing(asked))
        if stored.body is None or now >= stored.expires_at:
            gone = SecretNoLongerAvailable if stored.sealed else IdempotencyKeyExpired
            raise gone(stored.resource_type, stored.resource_id)
        try:
            body = self._vault.open(stored.body, _context(claim)) if stored.sealed else stored.body
        except CannotOpen as error:
            raise SecretNoLongerAvailable(stored.resource_type, stored.resource_id) from error
        return Answer(status=stored.status, body=body, location=stored.location, replayed=True)


def _context(claim: Claim) -> bytes:
    return claim.merchant_id.bytes + claim.key.encode()
