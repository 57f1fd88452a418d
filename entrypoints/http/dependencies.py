"""What routes are given: the container, the caller, the idempotency key, the claim."""

import re
from functools import cache, lru_cache
from typing import Annotated, Final

from fastapi import Depends, Request, Security
from fastapi.security import HTTPBearer, SecurityScopes

from application.authenticate import Caller
from application.once import Claim
from domain.merchant import Scope
from entrypoints.container import Container
from entrypoints.http.headers import header_values
from entrypoints.http.json_body import StrictJsonRequest, Unreadable
from entrypoints.http.limits import BODY
from entrypoints.http.observe import MERCHANT
from entrypoints.http.problems import InputError, Refused

MAX_KEY_LENGTH: Final = 255
_VISIBLE_ASCII: Final = re.compile(rf"[\x21-\x7e]{{1,{MAX_KEY_LENGTH}}}")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\["\\])*)"')
_ESCAPE: Final = re.compile(r'\\(["\\])')


def headers_named(request: Request, name: bytes) -> list[str]:
    """The values of every header of this name, in lower case."""
    return [value.decode("latin-1") for value in header_values(request.scope, name)]


async def container_of(request: Request) -> Container:
    container: Container = request.scope["app"].container
    return container


ContainerOf = Annotated[Container, Depends(container_of)]


@cache
def _scopes_in(text: str) -> tuple[Scope, ...]:
    """The same few for ever: what a route declares, one behind another."""
    return tuple(map(Scope, text.split()))


_text_of: Final = lru_cache(maxsize=1_000)(str)
"""Of the ids of merchants that call again and again."""


class _CallerOf(HTTPBearer):
    """Who is calling, from the header that the document describes as `Bearer`."""

    async def __call__(  # type: ignore[override]
        self, request: Request, required: SecurityScopes, container: ContainerOf
    ) -> Caller:
        """Raises Refused `api_key_missing`, Unauthenticated, ScopeMissing."""
        token = _bearer_token(headers_named(request, b"authorization"))
        caller = await container.authenticate()(token)
        request.scope[MERCHANT] = _text_of(caller.merchant_id)
        caller.require(*_scopes_in(required.scope_str))
        return caller


caller_of = _CallerOf(
    scheme_name="ApiKey",
    bearerFormat="hk_<test|live>_…",
    description="`Authorization: Bearer <api key>`. A key allows what its scopes say.",
)

OrdersReader = Annotated[Caller, Security(caller_of, scopes=[Scope.ORDERS_READ.value])]
OrdersWriter = Annotated[Caller, Security(caller_of, scopes=[Scope.ORDERS_WRITE.value])]
EventsReader = Annotated[Caller, Security(caller_of, scopes=[Scope.EVENTS_READ.value])]
WebhooksManager = Annotated[Caller, Security(caller_of, scopes=[Scope.WEBHOOKS_MANAGE.value])]
KeysManager = Annotated[Caller, Security(caller_of, scopes=[Scope.KEYS_MANAGE.value])]


async def idempotency_key_of(request: Request) -> str:
    """The key of the one Idempotency-Key header. Raises Refused."""
    given = headers_named(request, b"idempotency-key")
    if not given:
        raise Refused(
            "idempotency_key_missing",
            "Send a new random Idempotency-Key with each new request, and the same one with each"
            " retry of it.",
        )
    if len(given) > 1:
        raise Refused("idempotency_key_invalid", "The Idempotency-Key header is there twice.")
    # The parser leaves white space after a value, which is no part of it (RFC 9110, 5.5).
    return parse_idempotency_key(given[0].strip(" \t"))


IdempotencyKey = Annotated[str, Depends(idempotency_key_of)]


def parse_idempotency_key(text: str) -> str:
    """The key that `text` means: a structured string (RFC 8941) `"abc"` is the key abc.
    Raises Refused `idempotency_key_invalid`."""
    key = text
    if len(text) > 1 and text[0] == text[-1] == '"':
        quoted = _QUOTED.fullmatch(text)
        key = _ESCAPE.sub(r"\1", quoted[1]) if quoted else ""
    if not _VISIBLE_ASCII.fullmatch(key):
        raise Refused(
            "idempotency_key_invalid",
            f"An Idempotency-Key has 1 to {MAX_KEY_LENGTH} visible ASCII characters.",
        )
    return key


def claim_of(request: StrictJsonRequest, caller: Caller, key: str) -> Claim:
    """What the caller asks for under the key. Raises Refused."""
    return Claim(
        merchant_id=caller.merchant_id,
        key=key,
        route=f"{request.scope['method']} {request.scope['path']}",
        body=members_of(request),
    )


def members_of(request: StrictJsonRequest) -> dict[str, object]:
    """Of the body, which may be left out where its schema requires nothing. Such a schema takes for
    an empty object whatever has none of its members, and null for no body: what was meant cannot
    be known, and money would move. Raises Refused."""
    if not request.scope[BODY]:
        return {}
    body = request.value()
    if isinstance(body, Unreadable):
        raise Refused("malformed_request", body.detail)
    if not isinstance(body, dict):
        wrong = InputError(pointer="", code="wrong_type", detail="The body is a JSON object.")
        raise Refused("validation_failed", wrong.detail, [wrong])
    return body


def _bearer_token(headers: list[str]) -> str:
    if not headers:
        raise Refused("api_key_missing", "Send the header Authorization: Bearer <api key>.")
    scheme, _, token = headers[0].partition(" ")
    if len(headers) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Refused("api_key_invalid", "Send one header Authorization: Bearer <api key>.")
    return token.strip()
