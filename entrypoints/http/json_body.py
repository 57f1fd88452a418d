"""Reading a JSON body strictly: one meaning or none (RFC 8259, I-JSON RFC 7493)."""

import json
import math
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from fastapi import Request, Response
from fastapi.routing import APIRoute

from entrypoints.http.limits import BODY

MAX_NESTING: Final = 16
MAX_DIGITS: Final = 19

_UNREAD: Final = object()


class MalformedJson(ValueError):
    """The bytes are not one JSON value. The message says why without repeating them."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands where a parsed body would, so that authentication and the headers are judged before
    it. A schema that requires a member refuses it; `claim_of` refuses it for the others."""

    detail: str


class StrictJsonRequest(Request):
    """A request whose body Limits has read."""

    _value: Any = _UNREAD

    async def body(self) -> bytes:
        body: bytes = self.scope[BODY]
        return body

    async def json(self) -> Any:
        return self.value()

    def value(self) -> Any:
        """The body's value, or Unreadable."""
        if self._value is _UNREAD:
            try:
                self._value = parse_json(self.scope[BODY])
            except MalformedJson as error:
                self._value = Unreadable(str(error))
        return self._value


class StrictJsonRoute(APIRoute):
    """An ordinary FastAPI route whose body is read by `parse_json`."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            return await handle(StrictJsonRequest(request.scope, request.receive))

        return handle_strictly


def parse_json(body: bytes) -> Any:
    """The value of a JSON text in UTF-8. Raises MalformedJson for anything that two parsers could
    read differently: duplicate names, NaN, numbers out of range, lone surrogates."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedJson("The body is not UTF-8.") from None
    if text.count("[") + text.count("{") > MAX_NESTING:
        _refuse_deep_nesting(text)
    try:
        value = _decoded(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"The body is not JSON: it stops making sense at line {error.lineno}, column"
            f" {error.colno}."
        ) from None
    if "\\u" in text:
        _refuse_lone_surrogates(value)
    return value


def _decoded(text: str) -> Any:
    """Raises MalformedJson, JSONDecodeError."""
    # Most texts begin and end with their value. Only around others white space is looked for.
    try:
        value, end = _DECODER.raw_decode(text)
    except json.JSONDecodeError:
        return _DECODER.decode(text)
    return value if end == len(text) else _DECODER.decode(text)


def _refuse_deep_nesting(text: str) -> None:
    """Before parsing, so that no depth can exhaust the stack."""
    depth, in_string, escaped = 0, False, False
    for character in text:
        if in_string:
            in_string = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            in_string = True
        elif character in "[{":
            depth += 1
            if depth > MAX_NESTING:
                raise MalformedJson(f"The body is nested deeper than {MAX_NESTING} levels.")
        elif character in "]}":
            depth -= 1


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise MalformedJson("The body has half of a surrogate pair in a string.") from None


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise MalformedJson("The body has an object with the same name twice.")
    return members


def _bounded_integer(digits: str) -> int:
    if len(digits.lstrip("-")) > MAX_DIGITS:
        raise MalformedJson(f"The body has an integer of more than {MAX_DIGITS} digits.")
    return int(digits)


def _finite_number(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise MalformedJson("The body has a number that is out of range.")
    return number


def _no_constant(_name: str) -> NoReturn:
    raise MalformedJson("The body has NaN or Infinity, which JSON does not have.")


_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique_members,
    parse_int=_bounded_integer,
    parse_float=_finite_number,
    parse_constant=_no_constant,
)
