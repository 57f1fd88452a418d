"""Carries a signed webhook to an integrator's server, and nowhere else."""

from abc import abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookRequest:
    """One attempt. `id` and `body` are the same in each attempt, `sent_at` (aware) is that of this
    one. `secrets` are "whsec_…" texts, newest first; each of them gives a signature, so that a
    receiver may change from one to the other when it likes. `id` holds no full stop.
    https://www.standardwebhooks.com
    """

    url: str
    id: str
    body: bytes
    secrets: tuple[str, ...] = field(repr=False)
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The receiver answered, with whatever status: a redirect is one and is not followed.

    `latency` is from the beginning of the attempt to the last byte that was read. `excerpt` is the
    first 2 kB of the body, fit to be stored and shown: no control characters but newline and tab,
    no secret and no signature. `retry_after` is the pause that the receiver asks for, at most
    six hours.
    """

    status: int
    latency: timedelta
    excerpt: str
    retry_after: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """No answer, or none that can be read to its end. What was sent may have arrived.

    `problem` is one of

    - `address_refused`: the URL, or an address of its name, is none that a webhook may go to;
    - `name_unknown`: the name has no address now;
    - `unreachable`: no connection, or it broke before there was an answer;
    - `tls_failed`: the certificate is not trusted or not for this name, or it is no TLS;
    - `unreadable`: the answer is no HTTP, has too long a head, or stops halfway;
    - `timeout`: all of it took too long.
    """

    problem: str
    latency: timedelta


class WebhookSender(Protocol):
    @abstractmethod
    def refusal(self, url: str) -> str | None:
        """Why no endpoint may have this URL, judged by its form alone: no I/O. One sentence for
        the integrator, which does not repeat the URL; None for a URL that may be tried. What a
        name stands for is judged at each attempt."""

    @abstractmethod
    async def send(self, request: WebhookRequest) -> Answered | Unanswered:
        """Make one attempt. It repeats nothing, raises nothing, and ends by itself within a total
        time that starts before the name is looked up. Canceled, it leaves no connection open.
        """

    @abstractmethod
    async def close(self) -> None:
        """Let go of connections."""
