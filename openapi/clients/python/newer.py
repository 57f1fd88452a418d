"""A client with open enumerations reads what a newer Harbor says."""

from harbor_payments_client.models import Problem, ProblemCode

SAID = {
    "type": "urn:harbor:problem:order_is_on_hold",
    "title": "The order is on hold",
    "status": 409,
    "detail": "Try again tomorrow.",
    "instance": "urn:harbor:request:abc-123",
    "code": "order_is_on_hold",
    "request_id": "abc-123",
}

problem = Problem.from_dict(SAID)
assert (problem.code.name, problem.code.value) == ("UNKNOWN", "order_is_on_hold")
assert problem.code not in list(ProblemCode)
assert problem.to_dict() == SAID
assert ProblemCode("order_is_paid") is ProblemCode.ORDER_IS_PAID
