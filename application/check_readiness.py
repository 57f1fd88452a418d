"""Ask every dependency whether it can be used."""

import asyncio
from collections.abc import Sequence

from application.ports.readiness import Finding, ReadinessProbe


class CheckReadiness:
    def __init__(self, *, probes: Sequence[ReadinessProbe]) -> None:
        self._probes = probes

    async def __call__(self) -> tuple[Finding, ...]:
        """One finding per dependency, all asked at once."""
        return tuple(await asyncio.gather(*(probe.examine() for probe in self._probes)))
