"""Receives Harbor's webhooks: pip install fastapi standardwebhooks uvicorn"""

import os
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from standardwebhooks.webhooks import Webhook

LARGEST = 1_048_576  # bytes; Harbor sends far less

app = FastAPI()
webhook = Webhook(os.environ["WEBHOOK_SECRET"])  # whsec_…
seen: set[str] = set()


def accept(event: dict[str, Any]) -> None:
    """Write it down, once; do the work later. With you `seen` is a table with the id as its key."""
    if event["id"] not in seen:
        seen.add(event["id"])
        print("accepted", event["type"], event["id"], flush=True)


@app.post("/harbor")
async def receive(request: Request) -> Response:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST:
            return Response(status_code=413)
    try:
        # The bytes as they came: JSON that was read and written again has another signature.
        event = webhook.verify(body, dict(request.headers))
    except Exception:  # a header that is no base64 raises something else than a wrong signature
        return Response(status_code=400)
    accept(event)
    return Response(status_code=204)


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8080")))
