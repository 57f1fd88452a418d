"""The public JSON document of an API key. The digest is not in it; the key's text only once."""

from application.json_text import rfc3339
from domain.merchant import ApiKey


def api_key_document(key: ApiKey) -> dict[str, object]:
    """Every field is always present; null where there is nothing."""
    return {
        "id": str(key.id),
        "name": key.name,
        "prefix": key.prefix,
        "scopes": sorted(key.scopes),
        "created_at": rfc3339(key.created_at),
        "expires_at": key.expires_at and rfc3339(key.expires_at),
        "revoked_at": key.revoked_at and rfc3339(key.revoked_at),
        "last_used_at": key.last_used_at and rfc3339(key.last_used_at),
        "replaced_by": key.replaced_by and str(key.replaced_by),
    }


def new_api_key_document(key: ApiKey, text: str) -> dict[str, object]:
    """The same with `api_key`, the secret that is shown this once."""
    return api_key_document(key) | {"api_key": text}
