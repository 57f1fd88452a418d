"""What comes in and what goes out, as the OpenAPI document shows it.

A class `…In` is a request body and is called `…Request` in the document; an `…Out` loses its
ending: `OrderIn` and `OrderOut` are `OrderRequest` and `Order` to whoever generates a client.
"""
