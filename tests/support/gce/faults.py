"""What may go wrong, as values: with a request, before or after its effect, or with the operation that it started."""

import enum

import attrs

from gce.refusal import Refusal


class Where(enum.Enum):
    """Where a fault strikes."""

    REQUEST = "request"  # refused, no effect
    OPERATION = "operation"  # taken with 200, and the operation fails
    ANSWER = "answer"  # no answer, though it had its effect
    NO_ANSWER = "no answer"  # no answer, and no effect


@attrs.frozen
class OperationError:
    """One error of an operation that ended without its effect."""

    code: str
    message: str


STOCKOUT = OperationError(
    "ZONE_RESOURCE_POOL_EXHAUSTED",
    "The zone does not have enough resources available to fulfill the request. Try a different zone, or try again.",
)
THROTTLED = Refusal(403, "rateLimitExceeded", "Rate Limit Exceeded", retry_after_s=3)
UNAVAILABLE = Refusal(503, "backendError", "Backend Error")


@attrs.define
class Fault:
    """Strikes the next `times` requests for `method`, `*` for any, with `refusal`, or `errors` in the operation."""

    method: str = "*"
    where: Where = Where.REQUEST
    refusal: Refusal = UNAVAILABLE
    errors: tuple[OperationError, ...] = (STOCKOUT,)
    status: int = 503
    times: int = 1

    def strikes(self, method: str, *places: Where) -> bool:
        """Tell whether it strikes this request in one of these places, and count that."""
        hit = self.where in places and self.times > 0 and self.method in ("*", method)
        self.times -= hit
        return hit


class Unanswered(Exception):
    """The connection ends without an answer."""
