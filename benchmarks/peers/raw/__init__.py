"""A raw ASGI application with a pool of asyncpg connections and one statement for each order."""
