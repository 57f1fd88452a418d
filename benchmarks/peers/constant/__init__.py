"""The least that uvicorn can do: one constant answer, as large as an order."""
