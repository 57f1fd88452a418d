"""Whether the process lives, and whether it can work."""

from fastapi import APIRouter, Request, Response

from entrypoints.http.answers import json_response
from entrypoints.http.dependencies import ContainerOf
from entrypoints.http.documented import answered, problems
from entrypoints.http.problems import problem
from entrypoints.http.request_id import request_id_of
from entrypoints.http.wire.problems import HealthOut, ReadinessOut

router = APIRouter(tags=["Operations"])


@router.get(
    "/health", response_model=None, responses=answered(HealthOut, "The process lives.") | problems()
)
async def get_health() -> Response:
    """The process lives. Nothing else is asked."""
    return json_response({"status": "ok"})


@router.get(
    "/ready",
    response_model=None,
    responses=answered(ReadinessOut, "It can take orders.") | problems("unavailable"),
)
async def get_ready(request: Request, container: ContainerOf) -> Response:
    """The database is reachable and has the schema this version needs; else 503 with what is
    missing."""
    findings = await container.check_readiness()()
    missing = [finding.problem for finding in findings if finding.required and finding.problem]
    if missing:
        return problem("unavailable", " ".join(missing), request_id=request_id_of(request.scope))
    return json_response({"status": "ready"})
