"""Number what has happened, so that it can be read."""

from application.ports.events import EventSequencer


class NumberEvents:
    def __init__(self, *, sequencer: EventSequencer) -> None:
        self._sequencer = sequencer

    async def __call__(self, limit: int) -> int:
        """How many were numbered, at most `limit`; fewer where nothing waits any more. Raises
        StorageUnavailable."""
        return await self._sequencer.number(limit)
