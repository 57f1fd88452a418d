"""The server that the journeys are made against: a real one, on the embedded default."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openapi.clients.relay import Relay, relaying
from tests.journeys.server import Harbor, HarborServer


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """A server that runs, and a network in front of it that loses answers."""

    harbor: Harbor
    server: HarborServer
    relay: Relay

    def partner(self, name: str) -> Mapping[str, str]:
        """The environment of a new merchant's journey: whoever pages through all orders meets
        only those that are of this journey."""
        return {
            "HARBOR_URL": self.server.url,
            "HARBOR_LOSING_URL": self.relay.url,
            "HARBOR_API_KEY": self.harbor.create_merchant(name),
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }


@contextmanager
def live_server() -> Iterator[Live]:
    """Listening, with a database of its own; stopped at the end. Raises ServerDidNotStart."""
    with tempfile.TemporaryDirectory(prefix="harbor-clients-") as directory:
        harbor = Harbor(Path(directory))
        with harbor.serving() as server:
            server.await_started()
            with relaying(server.url) as relay:
                yield Live(harbor=harbor, server=server, relay=relay)
