"""Looking at VMs from outside: what they printed, and what they use."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

from vmpattern.errors import NotFound
from vmpattern.model import InstanceId, Usage
from vmpattern_gcp.answers import SerialOutput, Vm
from vmpattern_gcp.api import Calls
from vmpattern_gcp.fleet import by_path
from vmpattern_gcp.names import instance_id, moment, place, region_of
from vmpattern_gcp.rows import is_ours

CPU = "compute.googleapis.com/instance/cpu/usage_time"
WINDOW_S = 900
"""Google shows a measurement up to four minutes late."""

PERIOD_S = 60
MOST = 100


def console(calls: Calls, instance: InstanceId, start: int) -> str:
    """Return what the first serial port printed from an offset on, as far as Google keeps it: a megabyte.

    Raises:
        NotFound: the VM isn't there, or isn't ours.
    """
    path = place(instance).path
    vm: Vm | None = by_path(calls, path)
    if vm is None or not is_ours(vm, calls.region):
        raise NotFound(f"{calls.subject.what}: there is no instance {instance}", code="notFound")
    text = ""
    while True:
        output = calls.get(SerialOutput, f"{path}/serialPort", port="1", start=str(start))
        text += output.contents
        if not output.contents or int(output.next) <= start:
            return text
        start = int(output.next)


def usage(calls: Calls, ids: Sequence[InstanceId], now: float) -> dict[InstanceId, Usage]:
    """Return how many vCPUs VMs used in the last minute that is known; memory can't be seen from outside."""
    places = (place(id) for id in ids)
    zones = {one.number: one.zone for one in places if region_of(one.zone) == calls.region}
    found: dict[InstanceId, Usage] = {}
    numbers = list(zones)
    for first in range(0, len(numbers), MOST):
        one_of = ", ".join(f'"{number}"' for number in numbers[first : first + MOST])
        series = calls.series(
            filter=f'metric.type = "{CPU}" AND resource.labels.instance_id = one_of({one_of})',
            **{
                "interval.startTime": _stamp(now - WINDOW_S),
                "interval.endTime": _stamp(now),
                "aggregation.alignmentPeriod": f"{PERIOD_S}s",
                "aggregation.perSeriesAligner": "ALIGN_RATE",
            },
        )
        for one in series:
            number = one.resource.labels.get("instance_id", "")
            if number in zones and one.points:
                newest = max(one.points, key=lambda point: moment(point.interval.end_time))
                found[instance_id(zones[number], number)] = Usage(
                    at=moment(newest.interval.end_time), period_s=float(PERIOD_S), cpu=newest.value.double_value
                )
    return found


def _stamp(seconds: float) -> str:
    return re.sub(r"\+00:00$", "Z", datetime.fromtimestamp(seconds, UTC).isoformat())
