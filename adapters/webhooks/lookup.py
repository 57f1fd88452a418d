"""The operating system's resolver."""

import asyncio
import socket
from concurrent.futures import ThreadPoolExecutor


class SystemLookup:
    """Looks names up in threads of its own. Those of the event loop are few (libuv has four) and
    are needed to find the database: a few names that nobody answers for would take them all."""

    def __init__(self, threads: int) -> None:
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="webhook-dns")

    async def __call__(self, name: str) -> list[str]:
        """Every address of the name, in the system's order. Raises OSError."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, _addresses, name)

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _addresses(name: str) -> list[str]:
    found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
