"""Cuts the connection at the one moment that matters: when a recording is committed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from sqlalchemy import make_url

RECORDING = b"made_orders"
"""What only the statement of a recording has in it."""
NAME = re.compile(rb"__asyncpg_stmt_\w+__")
"""By which the driver has a statement carried out that was prepared."""
ENDED = re.compile(rb"SELECT \d+\0")
"""How PostgreSQL says that the statement has ended; it leaves the server behind the commit."""


class Cutter:
    """Stands between Harbor and PostgreSQL. Passes a recording on, waits for the answer, and cuts
    the connection instead of delivering it; or, `before` the commit, cuts instead of passing it on.
    Then lets nobody through if `and_closes`."""

    def __init__(
        self, url: str, *, cuts: int, and_closes: bool = False, before: bool = False
    ) -> None:
        self._to = make_url(url)
        self.cuts = cuts
        self._and_closes = and_closes
        self._before = before
        self._closed = False

    @asynccontextmanager
    async def between(self) -> AsyncIterator[str]:
        async with await asyncio.start_server(self._serve, "127.0.0.1", 0) as listening:
            port = listening.sockets[0].getsockname()[1]
            yield self._to.set(port=port).render_as_string(hide_password=False)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closed:
            writer.close()
            return
        there, away = await asyncio.open_connection(self._to.host, self._to.port)
        recording = asyncio.Event()
        back = asyncio.create_task(self._answer(there, writer, recording))
        prepared = None
        with suppress(ConnectionError):
            while data := await reader.read(65_536):
                if prepared is not None and prepared in data:
                    recording.set()
                    if self._before and self._cuts_now():
                        writer.close()
                        break
                if RECORDING in data and (name := NAME.search(data)):
                    prepared = name[0]
                away.write(data)
        away.close()
        await back

    async def _answer(
        self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, recording: asyncio.Event
    ) -> None:
        with suppress(ConnectionError):
            while data := await there.read(65_536):
                if recording.is_set() and ENDED.search(data):
                    recording.clear()
                    if not self._before and self._cuts_now():
                        break
                writer.write(data)
        writer.close()

    def _cuts_now(self) -> bool:
        if not self.cuts:
            return False
        self.cuts -= 1
        self._closed = self._and_closes
        return True
