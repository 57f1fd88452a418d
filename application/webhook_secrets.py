"""The secrets of webhook endpoints: made at random, kept sealed, opened to sign."""

from typing import Final
from uuid import UUID

from application.ports.ids import Ids
from application.ports.vault import Vault
from domain.webhook_signature import SECRET_BYTES, compose_secret

_BYTES: Final = "".join(map(chr, range(256)))


class WebhookSecrets:
    def __init__(self, *, ids: Ids, vault: Vault) -> None:
        self._ids = ids
        self._vault = vault

    def new(self, endpoint_id: UUID) -> tuple[str, bytes]:
        """The text of a new secret, "whsec_…", and what is kept of it."""
        text = compose_secret(self._ids.secret(_BYTES, SECRET_BYTES).encode("latin-1"))
        return text, self._vault.seal(text.encode(), _context(endpoint_id))

    def open(self, endpoint_id: UUID, sealed: bytes) -> str:
        """The text. Raises CannotOpen."""
        return self._vault.open(sealed, _context(endpoint_id)).decode()


def _context(endpoint_id: UUID) -> bytes:
    return b"webhook endpoint " + endpoint_id.bytes
