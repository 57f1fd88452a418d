"""The ASGI application."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from typing import Final

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.collector import collect_seldom
from entrypoints.container import Container, shut_down
from entrypoints.http import (
    api_keys,
    docs_pages,
    events,
    health,
    idempotency_keys,
    orders,
    payments,
    webhook_deliveries,
    webhook_endpoints,
)
from entrypoints.http.cursor import Cursors
from entrypoints.http.direct import Direct
from entrypoints.http.document import describe, operation_id
from entrypoints.http.error_handlers import add_error_handlers
from entrypoints.http.head import HeadAsGet
from entrypoints.http.limits import BODY, Limits, replaying
from entrypoints.http.observe import Observe
from entrypoints.http.plain import Plain
from entrypoints.settings import Settings
from entrypoints.worker import Worker, raise_file_limit

_log = logging.getLogger("harbor.http")

_FOR_THE_WORKER: Final = 0.1
"""The part of a stop's time that the worker may take to finish what it has begun."""

_DESCRIPTION = """\
Orders for B2B payments. Send an `Idempotency-Key` with every POST and retry it without fear: the
same key never makes a second order or a second charge.
"""


class HarborApp(FastAPI):
    """FastAPI as the innermost of Harbor's layers."""

    layers: ASGIApp
    container: Container

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.layers(scope, receive, send)

    async def ordinary(self, scope: Scope, receive: Receive, send: Send) -> None:
        if BODY in scope:
            receive = replaying(scope[BODY], receive)
        await super().__call__(scope, receive, send)


def create_app(container: Container, *, run_worker: bool = False, direct: bool = True) -> HarborApp:
    """The application over a container whose settings are set. It closes the container, and runs
    the worker beside it if told to. Without `direct` it answers the same, more slowly."""
    settings = container.settings()
    app = HarborApp(
        title="Harbor Payments",
        summary="The payments order service.",
        description=_DESCRIPTION,
        version=version("harbor-payments"),
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=operation_id,
        redirect_slashes=False,
        contact={"name": "Harbor Payments"},
        servers=[{"url": "/", "description": "This server."}],
    )
    app.container = container
    app.state.cursors = Cursors(settings.secret)
    app.state.run_worker = run_worker
    add_error_handlers(app)
    for module in (
        *(orders, payments, events, webhook_endpoints, webhook_deliveries),
        *(idempotency_keys, api_keys, health, docs_pages),
    ):
        app.include_router(module.router)
    describe(app)
    inner = _for_origins(settings, Direct(app.ordinary, app) if direct else app.ordinary)
    edge = HeadAsGet(Limits(inner, body_seconds=settings.body_seconds))
    app.layers = Observe(Plain(inner, edge) if direct else edge, container.ids())
    return app


def _for_origins(settings: Settings, inner: ASGIApp) -> ASGIApp:
    if settings.cors_origins:
        inner = CORSMiddleware(
            inner,
            allow_origins=settings.cors_origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=[
                *("Authorization", "Content-Type", "Idempotency-Key"),
                *("If-Match", "If-None-Match", "Last-Event-ID", "X-Request-Id"),
            ],
            expose_headers=[
                *("ETag", "Idempotent-Replayed", "Link", "Location"),
                *("Retry-After", "X-Request-Id", "Deprecation", "Sunset"),
            ],
        )
    return inner


@asynccontextmanager
async def _lifespan(app: HarborApp) -> AsyncIterator[None]:
    collect_seldom()
    if app.state.run_worker:
        raise_file_limit()
    settings = app.container.settings()
    worker = Worker(app.container)
    working = asyncio.create_task(worker.run()) if app.state.run_worker else None
    try:
        yield
    finally:
        worker.stop()
        try:
            if working is not None:
                async with asyncio.timeout(settings.shutdown_seconds * _FOR_THE_WORKER):
                    await working
        except TimeoutError:
            _log.warning("stopping although the worker has not finished")
        finally:
            await shut_down(app.container)
