"""What drivers on apache-libcloud share: sessions, errors, pages and states. libcloud transports and signs, no more.

Its own lists and launches lose VMs and labels; drivers write their own requests on a `Session`.
"""

from vmpattern_libcloud.answers import converter, document, structured
from vmpattern_libcloud.connection import Connect, Endpoint, Reply, Request
from vmpattern_libcloud.errors import (
    ErrorTable,
    Failure,
    Fault,
    NoAnswer,
    ProviderError,
    Rule,
    Subject,
    redacted,
    scope_of,
    unanswered,
)
from vmpattern_libcloud.paging import Page, every_page
from vmpattern_libcloud.session import Deadline, Session, request_id, retry_after_s
from vmpattern_libcloud.states import phase_of

__all__ = [
    "Connect",
    "Deadline",
    "Endpoint",
    "ErrorTable",
    "Failure",
    "Fault",
    "NoAnswer",
    "Page",
    "ProviderError",
    "Reply",
    "Request",
    "Rule",
    "Session",
    "Subject",
    "converter",
    "document",
    "every_page",
    "phase_of",
    "redacted",
    "request_id",
    "retry_after_s",
    "scope_of",
    "structured",
    "unanswered",
]
