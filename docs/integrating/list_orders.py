"""Lists the orders of a customer, newest first: pip install httpx2

python list_orders.py cus_42
"""

import os
import sys
from collections.abc import Iterator
from typing import Any

import httpx2


def orders(client: httpx2.Client, **filters: Any) -> Iterator[dict[str, Any]]:
    """Every order that fits, page by page."""
    page = client.get("/v1/orders", params={"limit": 100} | filters)
    while True:
        page.raise_for_status()
        yield from page.json()["data"]
        if "next" not in page.links:
            return
        page = client.get(page.links["next"]["url"])


def main(customer_id: str) -> None:
    with httpx2.Client(
        base_url=os.environ["HARBOR_URL"],
        headers={"Authorization": f"Bearer {os.environ['HARBOR_API_KEY']}"},
    ) as client:
        for order in orders(client, customer_id=customer_id):
            print(order["invoice_id"], order["amount_cents"], order["currency"])


if __name__ == "__main__":
    main(sys.argv[1])
