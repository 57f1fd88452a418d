"""The short way to an endpoint, past FastAPI's router, exit stacks and dependency solver.

The documented route stays the only description of an operation, and its endpoint the only thing
that carries it out. A request that is not plainly good is FastAPI's to judge: until the short way
is chosen, nothing has been done.
"""

from collections.abc import Awaitable, Callable
from re import Match
from typing import Any, Final, TypeAlias

from fastapi import FastAPI, Request, Response
from fastapi.routing import iter_route_contexts
from starlette.types import ASGIApp, Receive, Scope, Send

from entrypoints.http.compiled import CompiledRoute, NotPlain, compile_route
from entrypoints.http.json_body import StrictJsonRequest

DIRECT: Final = "harbor.direct"
"""Stands in the scope of a request that goes the short way."""

Handler: TypeAlias = Callable[[Request, Exception], Awaitable[Response]]

_Route: TypeAlias = tuple[Callable[[str], Match[str] | None], CompiledRoute | None]
"""The pattern of a path; None when what it leads to keeps FastAPI's own way."""


class Direct:
    """Answers what is plainly good as `app` would, and leaves the rest to `ordinary`."""

    def __init__(self, ordinary: ASGIApp, app: FastAPI) -> None:
        self._ordinary = ordinary
        self._app = app
        self._routes: dict[str, list[_Route]] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            # Start-up: every route is there.
            self._routes = routes_by_method(self._app)
            await self._ordinary(scope, receive, send)
            return
        route, path_params = self._find(scope)
        if route is None:
            await self._ordinary(scope, receive, send)
            return
        request = StrictJsonRequest(scope, receive, send)
        try:
            values = route.read(request, path_params)
        except NotPlain:
            await self._ordinary(scope, receive, send)
            return
        scope[DIRECT] = True
        scope["app"] = self._app
        scope["route"] = route.route
        scope["path_params"] = path_params
        try:
            response = await route.answer(request, values)
        except Exception as error:
            kind, handle = self._handler(error)
            response = await handle(request, error)
            await response(scope, receive, send)
            if kind is Exception:
                # Nobody foresaw it. Observe notes it, as it does what FastAPI lets through.
                raise
        else:
            await response(scope, receive, send)

    def _find(self, scope: Scope) -> tuple[CompiledRoute | None, dict[str, Any]]:
        """As FastAPI finds it: the first route whose path and method fit."""
        if scope.get("root_path") or self._app.dependency_overrides:
            return None, {}
        if self._routes is None:
            self._routes = routes_by_method(self._app)
        path = scope["path"]
        for match, route in self._routes.get(scope["method"], ()):
            found = match(path)
            if found is not None:
                return route, found.groupdict()
        return None, {}

    def _handler(self, error: Exception) -> tuple[type, Handler]:
        """Of the nearest kind of error that has one; the last of them is Exception."""
        handlers: dict[Any, Any] = self._app.exception_handlers
        return next((kind, handlers[kind]) for kind in type(error).__mro__ if kind in handlers)


def routes_by_method(app: FastAPI) -> dict[str, list[_Route]]:
    """Every route, in FastAPI's order."""
    routes: dict[str, list[_Route]] = {}
    for context in iter_route_contexts(app.routes):
        pattern, methods = getattr(context, "path_regex", None), context.methods
        if pattern is None or methods is None:
            # It may take any path, so that what stands behind it cannot be known.
            break
        compiled = compile_route(context)
        for method in methods:
            routes.setdefault(method, []).append((pattern.match, compiled))
    return routes
