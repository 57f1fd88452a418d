"""Redis, as a cache that may be absent, flushed, slow or wrong."""
