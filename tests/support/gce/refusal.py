"""What the emulator answers instead of a result."""

import attrs


@attrs.frozen
class Refusal(Exception):
    """An error in answer to a request: the HTTP status, Google's reason, the text."""

    status: int
    reason: str
    message: str
    retry_after_s: int | None = None

    def body(self) -> dict[str, object]:
        """Return the body as Google's APIs give it."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def not_found(path: str) -> Refusal:
    return Refusal(404, "notFound", f"The resource '{path}' was not found")
