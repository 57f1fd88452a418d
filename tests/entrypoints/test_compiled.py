"""A route whose signature is not understood is not compiled."""

from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Body,
    Cookie,
    Depends,
    FastAPI,
    Header,
    Query,
    Response,
)
from fastapi.routing import iter_route_contexts
from pydantic import BaseModel, Field

from entrypoints.http.compiled import compile_route
from entrypoints.http.json_body import StrictJsonRoute


class Thing(BaseModel):
    name: str


class Search(BaseModel):
    text: str | None = None


class ListSearch(BaseModel):
    texts: list[str] | None = None


class ModelSearch(BaseModel):
    things: list[Thing] = []


class RenamedSearch(BaseModel):
    text: str = Field("", alias="q")


async def plain() -> int:
    return 1


async def nested(number: Annotated[int, Depends(plain)]) -> int:
    return number


def synchronous() -> int:
    return 1


async def generating() -> Any:
    yield 1


async def with_input(q: str) -> str:
    return q


async def understood(
    name: str,
    thing: Thing,
    search: Annotated[Search, Query()],
    number: Annotated[int, Depends(nested)],
    same: Annotated[int, Depends(plain)],
) -> Response:
    return Response()


async def no_response(name: str) -> dict[str, str]:
    return {}


async def with_header(name: str, x: Annotated[str, Header()]) -> Response:
    return Response()


async def with_cookie(name: str, x: Annotated[str, Cookie()]) -> Response:
    return Response()


async def with_one_query(name: str, q: str) -> Response:
    return Response()


async def with_lists(name: str, search: Annotated[ListSearch, Query()]) -> Response:
    return Response()


async def with_models(name: str, search: Annotated[ModelSearch, Query()]) -> Response:
    return Response()


async def with_other_names(name: str, search: Annotated[RenamedSearch, Query()]) -> Response:
    return Response()


async def with_optional_body(name: str, thing: Thing | None = None) -> Response:
    return Response()


async def with_two_bodies(name: str, thing: Thing, other: Thing) -> Response:
    return Response()


async def with_an_embedded_body(name: str, thing: Annotated[Thing, Body(embed=True)]) -> Response:
    return Response()


async def with_background(name: str, tasks: BackgroundTasks) -> Response:
    return Response()


async def with_response(name: str, response: Response) -> Response:
    return response


def in_a_thread(name: str) -> Response:
    return Response()


async def after_a_thread(name: str, number: Annotated[int, Depends(synchronous)]) -> Response:
    return Response()


async def after_a_generator(name: str, number: Annotated[int, Depends(generating)]) -> Response:
    return Response()


async def after_input(name: str, q: Annotated[str, Depends(with_input)]) -> Response:
    return Response()


async def uncached(name: str, n: Annotated[int, Depends(plain, use_cache=False)]) -> Response:
    return Response()


def _is_compiled(endpoint: Callable[..., Any], path: str = "/{name}", **how: Any) -> bool:
    router = APIRouter(route_class=how.pop("route_class", StrictJsonRoute))
    router.add_api_route(path, endpoint, response_model=None, methods=["POST"])
    app = FastAPI(openapi_url=None)
    app.include_router(router, **how)
    (context,) = iter_route_contexts(app.routes)
    return compile_route(context) is not None


def test_what_harbors_routes_are_made_of_is_understood() -> None:
    assert _is_compiled(understood)
    assert _is_compiled(understood, "/{name:path}/x", prefix="/v2")
    assert _is_compiled(with_lists)


@pytest.mark.parametrize(
    "endpoint",
    [
        *(no_response, with_header, with_cookie, with_one_query, with_models, with_other_names),
        *(with_optional_body, with_two_bodies, with_an_embedded_body, with_background),
        *(with_response, in_a_thread, after_a_thread, after_a_generator, after_input, uncached),
    ],
)
def test_anything_else_is_left_to_fastapi(endpoint: Callable[..., Any]) -> None:
    assert not _is_compiled(endpoint)


def test_a_route_of_another_kind_is_left_to_fastapi() -> None:
    assert not _is_compiled(understood, "/{name:int}")
    assert not _is_compiled(understood, max_body_size=10)
    assert not _is_compiled(understood, route_class=APIRouter().route_class)
