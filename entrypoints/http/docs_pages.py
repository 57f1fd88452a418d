"""The pages where a person reads and tries the API: Swagger UI at /docs, ReDoc at /redoc.

All that they are made of is installed with Harbor and served by it. They ask no other address for
anything, and their Content-Security-Policy holds them to it. The scripts of others come in the
package fastapi-offline, of which nothing is imported: only its files are read.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import distribution
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse
from starlette.exceptions import HTTPException

from entrypoints.http.dependencies import headers_named
from entrypoints.http.etag import names_tag

_SCRIPT: Final = "text/javascript"
_STYLE: Final = "text/css"
_OURS: Final = "pages"
_THEIRS: Final = "fastapi_offline/static"

_ASSETS: Final = {
    "docs.css": (_OURS, _STYLE),
    "docs.js": (_OURS, _SCRIPT),
    "icon.svg": (_OURS, "image/svg+xml"),
    "redoc.js": (_OURS, _SCRIPT),
    "redoc.standalone.js": (_THEIRS, _SCRIPT),
    "swagger-ui-bundle.js": (_THEIRS, _SCRIPT),
    "swagger-ui.css": (_THEIRS, _STYLE),
}
"""The folder and the media type of each file that the pages load. No other file is served."""

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; connect-src 'self'; img-src 'self' data:;"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
)
_OF_DOCS: Final = _POLICY + "style-src 'self'"
_OF_REDOC: Final = _POLICY + "style-src 'self' 'unsafe-inline'; worker-src blob:"
"""It makes its styles as it runs, and searches in a worker."""

_CDN_LOGO: Final = b"https://cdn.redoc.ly/redoc/logo-mini.svg"
_NO_LOGO: Final = b"data:,"
"""The one thing that ReDoc would fetch from its maker. It hides an image that it cannot load."""

_CHUNK_BYTES: Final = 65_536

router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class _File:
    content: bytes
    etag: str
    media_type: str


@router.get("/docs")
def get_docs(request: Request) -> Response:
    """Try the API, with Swagger UI."""
    return _answer(request, _read(_OURS, "docs.html", "text/html"), _OF_DOCS)


@router.get("/redoc")
def get_redoc(request: Request) -> Response:
    """Read about the API, with ReDoc."""
    return _answer(request, _read(_OURS, "redoc.html", "text/html"), _OF_REDOC)


@router.get("/docs/assets/{name}")
def get_asset(request: Request, name: str) -> Response:
    """A file that one of the pages loads."""
    if name not in _ASSETS:
        raise HTTPException(404)
    folder, media_type = _ASSETS[name]
    return _answer(request, _read(folder, name, media_type))


def _answer(request: Request, file: _File, policy: str | None = None) -> Response:
    """The file, or 304 to who has it. It is asked for again each time: after an upgrade, no page
    runs with the scripts of the version before."""
    headers = {"ETag": file.etag, "Cache-Control": "no-cache"}
    if policy is not None:
        headers["Content-Security-Policy"] = policy
    if names_tag(headers_named(request, b"if-none-match"), file.etag):
        return Response(status_code=304, headers=headers)
    headers["Content-Length"] = str(len(file.content))
    return StreamingResponse(_chunks(file.content), headers=headers, media_type=file.media_type)


async def _chunks(content: bytes) -> AsyncIterator[bytes]:
    """One behind another, so that a slow reader makes nobody hold a copy of the rest."""
    for start in range(0, len(content), _CHUNK_BYTES):
        yield content[start : start + _CHUNK_BYTES]


@cache
def _read(folder: str, name: str, media_type: str) -> _File:
    """Read when it is first asked for, and kept, for however many ask at once."""
    content = (_path(folder) / name).read_bytes().replace(_CDN_LOGO, _NO_LOGO)
    return _File(content, f'"{sha256(content).hexdigest()[:32]}"', media_type)


def _path(folder: str) -> Path:
    if folder == _OURS:
        return Path(__file__).with_name(folder)
    return Path(str(distribution("fastapi-offline").locate_file(folder)))
