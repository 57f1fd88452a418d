"""A route's documented signature, compiled once into what has to be done for each request.

Only what `compile_route` understands is compiled: simple values in path and query, one JSON body,
dependencies that are coroutines. Any other route keeps FastAPI's own way.
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import iscoroutinefunction, signature
from operator import itemgetter
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl

from fastapi import Response
from fastapi._compat import (
    ModelField,
    field_annotation_is_scalar,
    field_annotation_is_scalar_sequence,
)
from fastapi.dependencies.models import Dependant
from fastapi.params import Body
from fastapi.routing import RouteContext
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.convertors import PathConvertor, StringConvertor

from entrypoints.http.headers import header_values
from entrypoints.http.json_body import StrictJsonRequest, StrictJsonRoute

_JSON: Final = ([b"application/json"], [b"application/json; charset=utf-8"])

Matched: TypeAlias = Mapping[str, str]
"""What the pattern of the path found."""

Values: TypeAlias = list[Any]
"""What an endpoint takes out of path, query and body."""

Reader: TypeAlias = Callable[[StrictJsonRequest, Matched], Any]
"""Finds one argument and validates it. Raises NotPlain."""


class NotPlain(Exception):
    """The request is not plainly good. What it is instead, FastAPI's own way decides."""


class _NotUnderstood(Exception):
    """The signature has something that is not compiled."""


_Call: TypeAlias = tuple[Callable[..., Awaitable[Any]], Callable[[list[Any]], tuple[Any, ...]]]
"""A function, and what picks its arguments out of the places."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompiledRoute:
    """`read` only looks; `answer` acts."""

    route: StrictJsonRoute
    readers: tuple[Reader, ...]
    places: tuple[object, ...]
    """For the request, the values that were read, what never changes, and the results."""
    dependencies: tuple[tuple[int, _Call], ...]
    """Each with the place of its result."""
    endpoint: _Call

    def read(self, request: StrictJsonRequest, matched: Matched) -> Values:
        """The endpoint's arguments out of path, query and body. Raises NotPlain."""
        return [read(request, matched) for read in self.readers]

    async def answer(self, request: StrictJsonRequest, values: Values) -> Response:
        """Await the dependencies, each once and in FastAPI's order, then the endpoint."""
        places = list(self.places)
        places[: 1 + len(values)] = [request, *values]
        for place, (function, pick) in self.dependencies:
            places[place] = await function(*pick(places))
        function, pick = self.endpoint
        response: Response = await function(*pick(places))
        return response


def compile_route(context: RouteContext) -> CompiledRoute | None:
    """None when there is something that is not understood."""
    route, dependant = context.original_route, getattr(context, "dependant", None)
    if not isinstance(route, StrictJsonRoute) or not isinstance(dependant, Dependant):
        return None
    try:
        readers = dict(_readers(context, dependant))
        calls = _Calls(["", *readers])
        return CompiledRoute(
            route=route,
            readers=tuple(readers.values()),
            endpoint=calls.of(dependant, _of_response(dependant)),
            dependencies=tuple(calls.dependencies),
            places=tuple(calls.places),
        )
    except _NotUnderstood:
        return None


class _Calls:
    """The calls of a tree of dependencies, one after another."""

    def __init__(self, read: Sequence[str]) -> None:
        """`read` are the names of the first places."""
        self.dependencies: list[tuple[int, _Call]] = []
        self.places: list[object] = [None] * len(read)
        self._read = {name: place for place, name in enumerate(read)}
        self._of_results: dict[tuple[object, ...], int] = {}

    def of(self, dependant: Dependant, function: Callable[..., Awaitable[Any]]) -> _Call:
        """The call of `function`; what it depends on is placed before it."""
        _require(dependant.response_param_name is None)
        _require(dependant.background_tasks_param_name is None)
        takes = {each.name: self._of_result(each) for each in dependant.dependencies}
        takes |= {dependant.request_param_name: 0, dependant.http_connection_param_name: 0}
        if (name := dependant.security_scopes_param_name) is not None:
            takes[name] = self._new_place(SecurityScopes(_scopes(dependant)))
        takes |= {name: self._read[name] for name in _names_of_input(dependant)}
        parameters = signature(function).parameters.values()
        _require(all(each.kind is each.POSITIONAL_OR_KEYWORD for each in parameters))
        return function, _picker([takes[each.name] for each in parameters])

    def _new_place(self, constant: object = None) -> int:
        self.places.append(constant)
        return len(self.places) - 1

    def _of_result(self, dependant: Dependant) -> int:
        """The place where the result of a dependency will be."""
        _require(not _names_of_input(dependant))
        _require(dependant.use_cache and dependant.scope is None and dependant.concurrency is None)
        asked = (dependant.call, *(_scopes(dependant) if _uses_scopes(dependant) else ()))
        if asked not in self._of_results:
            call = self.of(dependant, _coroutine_function(dependant))
            self._of_results[asked] = self._new_place()
            self.dependencies.append((self._of_results[asked], call))
        return self._of_results[asked]


def _picker(places: Sequence[int]) -> Callable[[list[Any]], tuple[Any, ...]]:
    if len(places) > 1:
        return itemgetter(*places)
    # Of one place alone itemgetter would give what stands there, not a tuple of it.
    return lambda there: tuple([there[place] for place in places])


def _coroutine_function(dependant: Dependant) -> Callable[..., Awaitable[Any]]:
    function: Any = dependant.call
    _require(iscoroutinefunction(function) or iscoroutinefunction(type(function).__call__))
    return cast(Callable[..., Awaitable[Any]], function)


def _of_response(dependant: Dependant) -> Callable[..., Awaitable[Any]]:
    function = _coroutine_function(dependant)
    returned = signature(function).return_annotation
    _require(isinstance(returned, type) and issubclass(returned, Response))
    return function


def _scopes(dependant: Dependant) -> list[str]:
    both = (dependant.parent_oauth_scopes or []) + (dependant.own_oauth_scopes or [])
    return list(dict.fromkeys(both))


def _uses_scopes(dependant: Dependant) -> bool:
    return (
        dependant.security_scopes_param_name is not None
        or bool(dependant.own_oauth_scopes)
        or isinstance(cast(object, dependant.call), SecurityBase)
        or any(_uses_scopes(each) for each in dependant.dependencies)
    )


def _names_of_input(dependant: Dependant) -> list[str]:
    fields = (
        *dependant.path_params,
        *dependant.query_params,
        *dependant.header_params,
        *dependant.cookie_params,
        *dependant.body_params,
    )
    return [field.name for field in fields]


def _readers(context: RouteContext, dependant: Dependant) -> Iterator[tuple[str, Reader]]:
    _require(not dependant.header_params and not dependant.cookie_params)
    _require(context.max_body_size is None)
    for convertor in context.param_convertors.values():
        _require(isinstance(convertor, StringConvertor | PathConvertor))
    for field in dependant.path_params:
        _require(field.validation_alias is None)
        yield field.name, partial(_from_path, field)
    _require(len(dependant.query_params) <= 1 and len(dependant.body_params) <= 1)
    for field in dependant.query_params:
        yield field.name, partial(_from_query, field, _lists_of(field))
    for field in dependant.body_params:
        _require(type(field.field_info) is Body and field.field_info.is_required())
        _require(not context._embed_body_fields)
        yield field.name, partial(_from_body, field)


def _from_path(field: ModelField, _: StrictJsonRequest, matched: Matched) -> Any:
    return _valid(field, matched[field.alias])


def _from_query(
    field: ModelField, lists: frozenset[str], request: StrictJsonRequest, _: Matched
) -> Any:
    text: str = request.scope["query_string"].decode("latin-1")
    if not text:
        return _valid(field, {})
    pairs = parse_qsl(text, keep_blank_values=True)
    # The edge has refused what comes twice and is no list.
    values: dict[str, Any] = dict(pairs)
    for name in lists & values.keys():
        values[name] = [value for each, value in pairs if each == name]
    return _valid(field, values)


def _from_body(field: ModelField, request: StrictJsonRequest, _: Matched) -> Any:
    types = header_values(request.scope, b"content-type")
    value = request.value() if types in _JSON else None
    if type(value) is not dict:
        raise NotPlain
    return _valid(field, value)


def _valid(field: ModelField, given: object) -> Any:
    value, errors = field.validate(given)
    if errors:
        raise NotPlain
    return value


def _lists_of(field: ModelField) -> frozenset[str]:
    """The names of the lists among the query's parameters, which together are one model of simple
    values and lists of them."""
    model: Any = field.field_info.annotation
    _require(isinstance(model, type) and issubclass(model, BaseModel))
    for each in model.model_fields.values():
        _require(each.alias is None and each.validation_alias is None)
    kinds = {name: each.annotation for name, each in model.model_fields.items()}
    lists = {name for name, kind in kinds.items() if field_annotation_is_scalar_sequence(kind)}
    _require(all(name in lists or field_annotation_is_scalar(kind) for name, kind in kinds.items()))
    return frozenset(lists)


def _require(understood: bool) -> None:
    if not understood:
        raise _NotUnderstood
