"""The id that ties a response, its log line and a support question together."""

import re
from typing import Final

from starlette.types import Scope

from application.ports.ids import Ids
from entrypoints.http.headers import header_values

HEADER: Final = b"x-request-id"
_ACCEPTED: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_KEY: Final = "harbor.request_id"


def assign_request_id(scope: Scope, ids: Ids) -> str:
    """The caller's id if it is well-formed and the only one, else a new one."""
    given = header_values(scope, HEADER)
    accepted = len(given) == 1 and _ACCEPTED.fullmatch(given[0])
    request_id = given[0].decode() if accepted else str(ids.new())
    scope[_KEY] = request_id
    return request_id


def request_id_of(scope: Scope) -> str:
    request_id: str = scope[_KEY]
    return request_id
