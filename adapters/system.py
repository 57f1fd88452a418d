"""Time and randomness of the machine."""

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final
from uuid import UUID

from uuid_utils import uuid7

from application.ports.clock import Clock
from application.ports.ids import Ids

_PARTS: Final = 1_000
_standard: Final = partial(UUID, None)


class SystemClock(Clock):
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()


class SystemIds(Ids):
    def __init__(self, of_bytes: Callable[[bytes], UUID] = _standard) -> None:
        """`of_bytes` makes an id of its 16 bytes: the standard library's own kind, or a driver's
        subclass of it that is quicker to make, to print and to send."""
        self._of_bytes = of_bytes

    def new(self) -> UUID:
        return self._of_bytes(uuid7().bytes)

    def fraction(self) -> float:
        return secrets.randbelow(_PARTS) / _PARTS

    def secret(self, alphabet: str, length: int) -> str:
        return "".join(secrets.choice(alphabet) for _ in range(length))
