"""Values in paths."""

import re
from typing import Final
from uuid import UUID

_CANONICAL: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def canonical_uuid(text: str) -> UUID | None:
    """The id, or None when no id is written like this: it then cannot exist."""
    return UUID(text) if _CANONICAL.fullmatch(text.lower()) else None
