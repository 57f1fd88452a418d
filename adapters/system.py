"""Time and randomness of the machine."""

import secrets
import time
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from application.ports.clock import Clock
from application.ports.ids import Ids


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SystemIds(Ids):
    def new(self) -> UUID:
        return uuid7()

    def secret(self, alphabet: str, length: int) -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))
