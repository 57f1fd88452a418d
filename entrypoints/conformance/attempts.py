"""What a partner's client sent, and what it was answered."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from entrypoints.conformance.scenarios import OUTAGE_SECONDS, Lasts, Scenario

MOST_KEPT: Final = 1_000
"""Of one invoice; then one, which tells that there were more, and the one that was answered for
good: a client that hammers must not fill the memory."""

_SUCCESS: Final = range(200, 300)
_REFUSAL: Final = range(400, 500)
_COME_AGAIN: Final = frozenset({408, 409, 425, 429})
_NOT_ITS_FIRST_BODY: Final = "idempotency_key_reused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One POST /v1/orders. Times are seconds of one clock. `key` is None where there was no valid
    one; `digest` is the same for the same JSON value. `status` is that of the answer which was
    delivered whole, None if none was, `code` that of the problem in it; `retry_after` is in
    seconds. `met_fault` tells whether it met the scenario's fault: else Harbor itself answered."""

    invoice: str
    key: str | None
    digest: bytes
    came_at: float
    ended_at: float
    met_fault: bool
    status: int | None
    code: str | None
    retry_after: int | None

    @property
    def has_succeeded(self) -> bool:
        return self.status in _SUCCESS

    @property
    def is_final(self) -> bool:
        """Answered for good: asking the same again makes no difference."""
        return self.has_succeeded or self.is_refused

    @property
    def is_refused(self) -> bool:
        return self.status in _REFUSAL and self.status not in _COME_AGAIN

    @property
    def due_at(self) -> float:
        """When it may come again."""
        return self.ended_at + (self.retry_after or 0)

    @property
    def may_be_mended(self) -> bool:
        """It was refused for what it is, and stands for nothing: mended, it may come under the
        same key."""
        return self.is_refused and self.code != _NOT_ITS_FIRST_BODY


class Desk:
    """Where every attempt is written down. `plan` has the scenario of each invoice."""

    def __init__(self, plan: Mapping[str, Scenario], now: Callable[[], float]) -> None:
        self.plan = plan
        self.now = now
        self.closing = asyncio.Event()
        """Set when the run is over: nothing is to be waited for any more."""
        self.all_answered = asyncio.Event()
        """Set when every invoice was answered for good, or found. A refusal of Harbor's own is
        waited after: the request may be mended."""
        self.found: set[str] = set()
        """Invoices whose order the client has found to be there, by asking after the key."""
        self.strays: Counter[str] = Counter()
        """Requests that were for none of the invoices, by what was wrong."""
        self._attempts: dict[str, list[Attempt]] = {invoice: [] for invoice in plan}
        self._first_at: dict[str, float] = {}
        self._unanswered = set(plan)

    def meets_fault(self, invoice: str) -> bool:
        """Whether a request for the invoice that comes now is to meet the fault. To be asked
        once."""
        now, is_first = self.now(), invoice not in self._first_at
        first_at = self._first_at.setdefault(invoice, now)
        match self.plan[invoice].lasts:
            case Lasts.FIRST:
                return is_first
            case Lasts.OUTAGE:
                return now - first_at < OUTAGE_SECONDS
            case Lasts.FOR_EVER:
                return True

    def keep_fault(self, invoice: str) -> None:
        """The request that was to meet it did not: the next one is."""
        del self._first_at[invoice]

    def record(self, attempt: Attempt) -> None:
        kept = self._attempts[attempt.invoice]
        if len(kept) <= MOST_KEPT or (attempt.is_final and not kept[-1].is_final):
            kept.append(attempt)
        if attempt.has_succeeded or (attempt.is_refused and attempt.met_fault):
            self._settle(attempt.invoice)

    def note_found(self, invoice: str) -> None:
        self.found.add(invoice)
        self._settle(invoice)

    def _settle(self, invoice: str) -> None:
        self._unanswered.discard(invoice)
        if not self._unanswered:
            self.all_answered.set()

    def attempts(self, invoice: str) -> tuple[Attempt, ...]:
        """In the order in which they came."""
        return tuple(sorted(self._attempts[invoice], key=lambda each: each.came_at))
