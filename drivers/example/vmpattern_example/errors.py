"""What the host answers, as an error that says what to do next: the one place where this is decided."""

import errno
from collections.abc import Generator
from contextlib import contextmanager

from vmpattern.errors import (
    Denied,
    DriverError,
    Invalid,
    OutcomeUnknown,
    OutOfCapacity,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
)

TOO_MUCH = {errno.EAGAIN, errno.EMFILE, errno.ENFILE}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.ENOMEM}
FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
PASSING = {errno.EIO, errno.ETIMEDOUT, errno.ESTALE}

ACCOUNT = Scope(ScopeKind.ACCOUNT)


@contextmanager
def translated(*, zone: str = "", changes: bool = False) -> Generator[None]:
    """Raise the contract's error in the place of the host's; `changes` says that the call may have had an effect."""
    try:
        yield
    except OSError as error:
        raise translate(error, zone=zone, changes=changes) from error


def translate(error: OSError, *, zone: str, changes: bool) -> DriverError:
    """Return the error that the contract has for an answer, the most specific there is."""
    number, text = error.errno or 0, error.strerror or str(error)
    code = errno.errorcode.get(number, "unknown")
    if number in TOO_MUCH:
        return Throttled(text, code=code, scope=ACCOUNT)
    if number in FORBIDDEN:
        return Denied(text, code=code, scope=ACCOUNT)
    if number in FULL and zone:
        return OutOfCapacity(text, code=code, scope=Scope(ScopeKind.ZONE, zone=zone))
    if changes:
        return OutcomeUnknown(text, code=code)
    return Transient(text, code=code) if number in PASSING else Invalid(text, code=code, field="path")
