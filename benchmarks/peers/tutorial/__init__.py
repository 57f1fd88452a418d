"""What tutorials teach: FastAPI, an ORM session for each request, Redis before and after."""
