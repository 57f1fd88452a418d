"""The OpenAPI document, and the gate that lets no change of it through that would break a client.

For who works on Harbor: nothing of this is shipped. What counts as breaking is in
docs/versioning.md.
"""
