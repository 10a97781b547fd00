"""What AWS tells of instances besides: who a balancer serves, what a console shows, how much they use."""

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element

from vmpattern.errors import Invalid, SpecError
from vmpattern.model import OUTSIDE, InstanceId, Membership, Options, Standing, Usage
from vmpattern_aws import reading
from vmpattern_aws.api import Api, Param, Params
from vmpattern_aws.fleet import Instances
from vmpattern_aws.launching import balancer_options
from vmpattern_aws.settings import BalancerOptions
from vmpattern_libcloud import Deadline, redacted

MEMBERSHIPS = {
    "healthy": Membership.HEALTHY,
    "draining": Membership.DRAINING,
}
"""States of a target; those that aren't here are members that get no requests, or nobody knows."""

REASON = ("Reason", "Description")

MOST_QUERIES = 500
PERIOD_S = 300
LOOK_BACK_S = 1200


class Targets:
    """Instances behind the target groups of Elastic Load Balancing."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def members(self, balancer: Options, deadline: Deadline) -> Mapping[InstanceId, Standing]:
        """List who is registered, and where each stands."""
        group = _parsed(balancer).target_group
        answer = self._api.call("DescribeTargetHealth", {"TargetGroupArn": group}, deadline)
        found: dict[InstanceId, Standing] = {}
        for one in answer.findall(".//TargetHealthDescriptions/member"):
            state, reason, said = (reading.text(one, f"TargetHealth/{name}") for name in ("State", *REASON))
            if reason != "Target.NotRegistered":
                membership = MEMBERSHIPS.get(state, Membership.UNHEALTHY)
                words = ": ".join(filter(None, (reason, said))) or state
                why = "" if membership is Membership.HEALTHY else redacted(words, ())
                found[InstanceId(reading.text(one, "Target/Id"))] = Standing(membership, why)
        return found

    @staticmethod
    def shares(balancer: Options, other: Options) -> bool:
        """Tell whether two balancers are one target group, whatever the port."""
        return _parsed(balancer).target_group == _parsed(other).target_group

    def register(self, balancer: Options, ids: Sequence[InstanceId], deadline: Deadline) -> None:
        """Add members."""
        if ids:
            self._api.call("RegisterTargets", _targets(balancer, ids), deadline)

    def deregister(self, balancer: Options, ids: Sequence[InstanceId], deadline: Deadline) -> None:
        """Start draining those who are members."""
        members = self.members(balancer, deadline)
        gone = (Membership.ABSENT, Membership.DRAINING)
        left = [id for id in ids if members.get(id, OUTSIDE).membership not in gone]
        if left:
            self._api.call("DeregisterTargets", _targets(balancer, left), deadline)


def _targets(balancer: Options, ids: Sequence[InstanceId]) -> Params:
    options = _parsed(balancer)
    return {"TargetGroupArn": options.target_group, "Targets": [{"Id": id, "Port": options.port} for id in ids]}


def _parsed(balancer: Options) -> BalancerOptions:
    try:
        return balancer_options(balancer)
    except SpecError as error:
        raise Invalid(str(error), code="WrongOption", field=error.problems[0].path) from error


def console(api: Api, instance: InstanceId, deadline: Deadline) -> str:
    """Return what an instance printed: as of now where the machine can tell, else as EC2 last kept it."""
    try:
        answer = api.call("GetConsoleOutput", {"InstanceId": instance, "Latest": True}, deadline)
    except Invalid as error:
        if error.code != "UnsupportedOperation":
            raise
        answer = api.call("GetConsoleOutput", {"InstanceId": instance}, deadline)
    return base64.b64decode(reading.text(answer, "output")).decode("utf-8", "replace")


class Meter:
    """The use of CPUs, as CloudWatch has it."""

    def __init__(self, api: Api, instances: Instances, *, now: Callable[[], float]) -> None:
        self._api = api
        self._instances = instances
        self._now = now

    def usage(self, ids: Sequence[InstanceId], deadline: Deadline) -> Mapping[InstanceId, Usage]:
        """Return the last average of each; one call for 500 instances."""
        vcpus: dict[InstanceId, int] = {}
        for first in range(0, len(ids), 200):
            for element in self._instances.elements(ids[first : first + 200], deadline):
                vcpus[InstanceId(reading.text(element, "instanceId"))] = _vcpus(element)
        found: dict[InstanceId, Usage] = {}
        known = sorted(vcpus)
        for first in range(0, len(known), MOST_QUERIES):
            some = known[first : first + MOST_QUERIES]
            results = self._api.pages("GetMetricData", self._queries(some), ".//MetricDataResults/member", deadline)
            for result in results:
                values, times = (result.findall(f"{name}/member") for name in ("Values", "Timestamps"))
                if values and times:
                    id = some[int(reading.text(result, "Id").removeprefix("m"))]
                    at = reading.moment(times[0].text or "") + PERIOD_S
                    cpu = float(values[0].text or 0) / 100 * vcpus[id]
                    found.setdefault(id, Usage(at=at, period_s=PERIOD_S, cpu=cpu))
        return found

    def _queries(self, ids: Sequence[InstanceId]) -> Params:
        now = self._now()
        queries: list[Param] = []
        for place, id in enumerate(ids):
            metric: Params = {
                "Namespace": "AWS/EC2",
                "MetricName": "CPUUtilization",
                "Dimensions": [{"Name": "InstanceId", "Value": id}],
            }
            queries.append({"Id": f"m{place}", "MetricStat": {"Metric": metric, "Period": PERIOD_S, "Stat": "Average"}})
        return {
            "StartTime": _written(now - LOOK_BACK_S),
            "EndTime": _written(now),
            "ScanBy": "TimestampDescending",
            "MetricDataQueries": queries,
        }


def _written(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _vcpus(element: Element) -> int:
    """Return the CPUs of a listed instance."""
    cores, threads = (reading.text(element, f"cpuOptions/{name}") for name in ("coreCount", "threadsPerCore"))
    return int(cores or 1) * int(threads or 1)
