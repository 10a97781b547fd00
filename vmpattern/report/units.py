"""Numbers and moments as people read them. Values in, text out."""

from datetime import UTC, datetime

from vmpattern.model.quantity import many as many


def duration(seconds: float) -> str:
    """Return a duration in its two largest units; halves of a second round up.

    Example:
        >>> duration(0.2), duration(59.6), duration(380), duration(7500), duration(90000)
        ('under a second', '1 min', '6 min 20 s', '2 h 5 min', '1 d 1 h')
    """
    if 0 < seconds < 0.5:
        return "under a second"
    whole = int(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    for size, unit, part, lesser in ((86400, "d", 3600, "h"), (3600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // part
            return f"{whole // size} {unit}" + (f" {rest} {lesser}" if rest else "")
    raise AssertionError("sixty seconds are a minute")


def age(seconds: float) -> str:
    """Return how long something has been there, in its largest unit.

    Example:
        >>> age(45), age(750), age(86400 * 12)
        ('45s', '12m', '12d')
    """
    for size, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= size:
            return f"{int(seconds // size)}{unit}"
    return f"{max(0, int(seconds))}s"


def stopwatch(seconds: float) -> str:
    """Return the time since a start, for columns.

    Example:
        >>> stopwatch(5), stopwatch(605), stopwatch(3725)
        ('0:05', '10:05', '1:02:05')
    """
    minutes, rest = divmod(int(seconds + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def price(per_hour: float | None) -> str:
    """Return dollars an hour: at least cents, and as many digits as small prices need.

    Example:
        >>> price(0.0116), price(0.5), price(1234.5), price(None)
        ('$0.0116/h', '$0.50/h', '$1,234.50/h', 'price unknown')
    """
    if per_hour is None:
        return "price unknown"
    if per_hour and per_hour < 0.1:
        digits = f"{per_hour:.4f}".rstrip("0")
        return f"${digits if len(digits) >= 4 else f'{per_hour:.2f}'}/h"
    return f"${per_hour:,.2f}/h"


def moment(at: float) -> str:
    """Return an instant as a clock in UTC shows it.

    Example:
        >>> moment(0)
        '1970-01-01 00:00:00 UTC'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def timestamp(at: float) -> str:
    """Return an instant in ISO 8601, in UTC, to the second.

    Example:
        >>> timestamp(0)
        '1970-01-01T00:00:00Z'
    """
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def listed(names: tuple[str, ...], *, at_most: int) -> str:
    """Return names with commas, the first `at_most` of them, and how many more there are.

    Example:
        >>> listed(("a", "b", "c"), at_most=3), listed(("a", "b", "c"), at_most=2)
        ('a, b, c', 'a, b and 1 more')
    """
    shown = ", ".join(names[:at_most])
    return f"{shown} and {len(names) - at_most:,} more" if len(names) > at_most else shown
