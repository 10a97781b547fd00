"""Cloud Monitoring, as far as it is asked: what instances use of their processors and memory."""

import re
from datetime import UTC, datetime

from gce.instances import vcpus
from gce.methods import method
from gce.refusal import Refusal
from gce.world import Call, Resource, World

CPU = "compute.googleapis.com/instance/cpu/usage_time"
SHARE = 0.25
PERIOD_S = 60.0
FILTER = re.compile(r'metric\.type\s*=\s*"([^"]+)" AND resource\.labels\.instance_id\s*=\s*one_of\(([^)]*)\)')


@method("monitoring.projects.timeSeries.list")
def time_series(world: World, call: Call) -> Resource:
    """Tell, as a rate, that every instance uses a quarter of its vCPUs since its first whole minute."""
    wanted = FILTER.fullmatch(call.query["filter"])
    if wanted is None or call.query.get("aggregation.perSeriesAligner") != "ALIGN_RATE":
        raise Refusal(400, "badRequest", "the emulator knows no such filter or aggregation")
    ids = {text.strip().strip('"') for text in wanted[2].split(",")}
    running = [one for _, one in world.instances() if one["id"] in ids and one["status"] == "RUNNING"]
    end = datetime.fromisoformat(call.query["interval.endTime"]).timestamp()
    series = [_series(world, one, end) for one in running] if wanted[1] == CPU else []
    return {"timeSeries": series, "unit": "1"} if series else {}


def _series(world: World, instance: Resource, end: float) -> Resource:
    points = [
        {
            "interval": {"startTime": _stamp(until - PERIOD_S), "endTime": _stamp(until)},
            "value": {"doubleValue": SHARE * vcpus(instance)},
        }
        for until in (end, end - PERIOD_S)
    ]
    labels = {"project_id": world.project, "instance_id": instance["id"], "zone": instance["zone"].rpartition("/")[2]}
    return {
        "metric": {"type": CPU, "labels": {"instance_name": instance["name"]}},
        "resource": {"type": "gce_instance", "labels": labels},
        "metricKind": "GAUGE",
        "valueType": "DOUBLE",
        "points": points,
    }


def _stamp(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")
