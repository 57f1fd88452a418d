"""A sender for the tests, and what it is given to send."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest

from adapters.webhooks.sender import HttpWebhookSender
from application.ports.webhook_sender import Unanswered, WebhookRequest
from domain.webhook_signature import compose_secret

BODY = json.dumps({"id": "evt_1", "data": {"name": "Zoë", "amount_cents": 1999}}).encode()
NEW, OLD, WRONG = (compose_secret(os.urandom(32)) for _ in range(3))

ON_BOTH_LOOPS = pytest.mark.parametrize(
    "anyio_backend",
    [("asyncio", {"use_uvloop": False}), ("asyncio", {"use_uvloop": True})],
    ids=["asyncio", "uvloop"],
)
"""A worker runs on uvloop where there is one."""


@asynccontextmanager
async def sending(**beside: Any) -> AsyncIterator[HttpWebhookSender]:
    sender = HttpWebhookSender(**{"allow_loopback": True, **beside})
    try:
        yield sender
    finally:
        await sender.close()


def a_request(url: str, **changes: Any) -> WebhookRequest:
    ordinary: dict[str, Any] = {
        "url": url,
        "id": "0199a2b4-0000-7000-8000-000000000001",
        "body": BODY,
        "secrets": (NEW,),
        "sent_at": datetime.now(UTC),
    }
    return WebhookRequest(**{**ordinary, **changes})


async def problem_of(sender: HttpWebhookSender, url: str) -> str:
    outcome = await sender.send(a_request(url))
    assert isinstance(outcome, Unanswered)
    return outcome.problem
