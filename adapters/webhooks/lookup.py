"""The operating system's resolver."""

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class SystemLookup:
    """Looks names up in threads of its own. Those of the event loop are few (libuv has four) and
    are needed to find the database: a few names that nobody answers for would take them all."""

    def __init__(self, threads: int, resolve: Callable[[str], list[str]] | None = None) -> None:
        """`resolve` blocks; the system's own resolver unless given."""
        self._resolve = resolve or _addresses
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-dns")
        self._under_way: dict[str, asyncio.Future[list[str]]] = {}

    async def __call__(self, name: str) -> list[str]:
        """Every address of the name, in the system's order. Raises OSError.

        Who asks for a name that is being looked up waits for the same answer: a name that nobody
        answers for takes one thread, however often it is asked for and given up.
        """
        found = self._under_way.get(name)
        if found is None:
            loop = asyncio.get_running_loop()
            found = loop.run_in_executor(self._threads, self._resolve, name)
            self._under_way[name] = found
            found.add_done_callback(lambda done: self._ended(name, done))
        return await asyncio.shield(found)

    def _ended(self, name: str, found: "asyncio.Future[list[str]]") -> None:
        del self._under_way[name]
        if not found.cancelled():
            # Everybody may have given up: then nobody else fetches it.
            found.exception()

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
