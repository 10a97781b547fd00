"""Instances on EC2: listed, launched by key, ended, labelled."""

import re
from collections.abc import Iterable, Mapping, Sequence
from xml.etree.ElementTree import Element

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError, Invalid, KeyConflict, KeySpent, NotFound, OutOfCapacity, Scope, ScopeKind
from vmpattern.model import Instance, InstanceId, MachineType, Mislabelled, Phase
from vmpattern_aws import launching, reading
from vmpattern_aws.api import Api, Param, Params
from vmpattern_aws.prices import prices
from vmpattern_aws.settings import AwsOptions
from vmpattern_libcloud import Deadline

PAGE = 1000
MOST_VALUES = 200
"""So many values EC2 takes in one filter."""

MAX_BATCH = 200
MAX_TERMINATE = 1000
ALIVE = ("pending", "running", "shutting-down", "stopping", "stopped")
"""The states of what isn't gone: what has ended stays in lists for an hour."""

_IDS = re.compile(r"\bi-[0-9a-f]+\b")
_KEYED = ("fleet", "revision", "zone", "machine_type", "market", "inputs", "previous", "image")
_INSTANCE = Scope(ScopeKind.INSTANCE)


def filters(**values: str | Sequence[str]) -> list[Params]:
    """Return EC2's filters; in a name, two underscores stand for a colon, and one for a hyphen."""
    return [
        {"Name": name.replace("__", ":").replace("_", "-"), "Value": [value] if isinstance(value, str) else value}
        for name, value in values.items()
    ]


def tagged(**labels: str) -> list[Params]:
    """Return filters for labels of ours: `deployment`, `fleet` and so on."""
    return filters(**{f"tag__vmpattern_{name}": value for name, value in labels.items()})


class Instances:
    """The verbs about instances, for one region."""

    def __init__(self, api: Api, options: AwsOptions, cloud: str) -> None:
        self._api = api
        self._options = options
        self._cloud = cloud
        # What an image calls its root volume never changes.
        self._roots: dict[str, str] = {}

    def listed(self, selector: Selector, deadline: Deadline) -> tuple[Instance | Mislabelled, ...]:
        """List what is selected, with the provider's word on each instance that runs."""
        labels = {"deployment": selector.deployment, **({"fleet": selector.fleet} if selector.fleet else {})}
        rows = self._rows([*tagged(**labels), *filters(instance_state_name=ALIVE)], deadline)
        ours = _readable(rows)
        strange = (row for row in rows if isinstance(row, Mislabelled))
        if any(row.phase is Phase.RUNNING for row in ours):
            ours = reading.judged(ours, reading.unwell(self._statuses(deadline)))
        return (*ours, *strange)

    def launch(self, request: LaunchRequest, deadline: Deadline) -> LaunchReport:
        """Create or adopt by the key, which is EC2's token: looks for the key first, then asks for instances."""
        for problem in launching.problems(request, most=MAX_BATCH):
            field = re.sub(r"\[.*", "", problem.path)
            raise Invalid(f"RunInstances: {problem.message}", code="Refused", field=field)
        known = self._of_key(request, deadline)
        if len(known) >= request.count:
            return _report(request, known, known)
        root = self._root_device(request, deadline) if launching.needs_root_device(request) else None
        params = launching.parameters(request, root_device=root)
        answer = self._api.call("RunInstances", params, deadline, subject=launching.subject(request))
        made = _of_launch([self._row(element) for element in answer.findall("instancesSet/item")])
        return _report(request, made, known)

    def terminate(self, ids: Sequence[InstanceId], deadline: Deadline) -> None:
        """End those of these that are ours and live."""
        if len(ids) > MAX_TERMINATE:
            raise Invalid(f"expected at most {MAX_TERMINATE} ids", code="Refused", field="ids")
        left = [row.id for row in self.ours(ids, deadline) if row.phase.is_live]
        while left:
            try:
                self._api.call("TerminateInstances", {"InstanceId": left}, deadline)
                return
            except NotFound as error:
                # One that is gone fails the whole call: the others are asked for again.
                gone = set(_IDS.findall(error.message))
                if not gone & set(left):
                    raise
                left = [id for id in left if id not in gone]

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str], deadline: Deadline) -> None:
        """Set or remove the label that may change."""
        if other := sorted(set(labels) - {naming.KEPT_UNTIL}):
            raise Invalid(f"the label {other[0]} can't be changed", code="Refused", field=other[0])
        ours = {row.id for row in self.ours(ids, deadline)}
        if missing := [id for id in ids if id not in ours]:
            raise NotFound(f"there is no instance {missing[0]} of ours", code="NotOurs", scope=_INSTANCE)
        if not ids or not labels:
            return
        given = [{"Key": key, "Value": value} for key, value in labels.items() if value]
        taken = [{"Key": key} for key, value in labels.items() if not value]
        for action, tags in (("CreateTags", given), ("DeleteTags", taken)):
            if tags:
                self._api.call(action, {"ResourceId": ids, "Tag": tags}, deadline)

    def machine_types(self, deadline: Deadline) -> tuple[MachineType, ...]:
        """List what is sold, with the prices that are known."""
        wanted = filters(instance_type=self._options.machine_types) if self._options.machine_types else []
        kinds = self._api.pages(
            "DescribeInstanceTypes", {"MaxResults": 100, "Filter": wanted}, "instanceTypeSet/item", deadline
        )
        offerings = self._api.pages(
            "DescribeInstanceTypeOfferings",
            {"MaxResults": PAGE, "LocationType": "availability-zone", "Filter": wanted},
            "instanceTypeOfferingSet/item",
            deadline,
        )
        return reading.machine_types(kinds, offerings, prices(self._options, self._api.region))

    def ours(self, ids: Iterable[InstanceId], deadline: Deadline) -> list[Instance]:
        """Return those of these that have our labels, in whatever state; what is gone, or not ours, is left out."""
        wanted = list(dict.fromkeys(ids))
        rows: list[Instance] = []
        for first in range(0, len(wanted), MOST_VALUES):
            asked = filters(instance_id=wanted[first : first + MOST_VALUES], tag_key=naming.DEPLOYMENT)
            rows += _readable(self._rows(asked, deadline))
        return rows

    def using(self, image: str, deadline: Deadline) -> tuple[InstanceId, ...]:
        """Return what runs from an image and isn't gone, whosever it is."""
        return tuple(row.id for row in self._rows(filters(image_id=image, instance_state_name=ALIVE), deadline))

    def elements(self, ids: Sequence[InstanceId], deadline: Deadline) -> list[Element]:
        """Return what EC2 says of these instances, as far as they are ours."""
        return self._described(filters(instance_id=ids, tag_key=naming.DEPLOYMENT), deadline) if ids else []

    def _of_key(self, request: LaunchRequest, deadline: Deadline) -> list[Instance]:
        """Return what bears the request's key, the ended included.

        Raises:
            KeyConflict: it isn't what the request asks for.
        """
        rows = _of_launch(self._rows(tagged(deployment=request.deployment, key=request.key), deadline))
        for row in rows:
            other = [name for name in _KEYED if getattr(row, name) != getattr(request, name)]
            if other or len(rows) > request.count:
                what = f"another {other[0]}" if other else "another count"
                raise KeyConflict(f"{row.id} was launched under this key with {what}", code="OtherRequest")
        return rows

    def _root_device(self, request: LaunchRequest, deadline: Deadline) -> str:
        name = self._roots.get(request.image)
        if name is None:
            answer = self._api.call("DescribeImages", {"Filter": filters(image_id=request.image)}, deadline)
            name = answer.findtext("imagesSet/item/rootDeviceName")
            if name is None:
                raise Invalid(f"there is no image {request.image}", code="InvalidAMIID.NotFound", field="image")
            self._roots[request.image] = name
        return name

    def _statuses(self, deadline: Deadline) -> list[Element]:
        """Return the status of what hasn't passed its checks: of the rest, there may be thousands."""
        notable: Param = ["impaired", "initializing", "insufficient-data", "not-applicable"]
        params: Params = {"MaxResults": PAGE, "Filter": [{"Name": "instance-status.status", "Value": notable}]}
        return self._api.pages("DescribeInstanceStatus", params, "instanceStatusSet/item", deadline)

    def _rows(self, wanted: list[Params], deadline: Deadline) -> tuple[Instance | Mislabelled, ...]:
        return tuple(self._row(element) for element in self._described(wanted, deadline))

    def _described(self, wanted: list[Params], deadline: Deadline) -> list[Element]:
        params: Params = {"MaxResults": PAGE, "Filter": wanted}
        return self._api.pages("DescribeInstances", params, reading.INSTANCES, deadline)

    def _row(self, element: Element) -> Instance | Mislabelled:
        return reading.instance(element, self._cloud, self._options.address)


def _of_launch(rows: Iterable[Instance | Mislabelled]) -> list[Instance]:
    """Return what a launch made.

    Raises:
        KeyConflict: the labels of one were changed since.
    """
    found: list[Instance] = []
    for row in rows:
        if isinstance(row, Mislabelled):
            raise KeyConflict(f"{row.id} was launched under this key, and {row.reason}", code="Mislabelled")
        found.append(row)
    return found


def _readable(rows: Iterable[Instance | Mislabelled]) -> tuple[Instance, ...]:
    return tuple(row for row in rows if isinstance(row, Instance))


def _report(request: LaunchRequest, rows: Sequence[Instance], known: Sequence[Instance]) -> LaunchReport:
    """Report on each instance: those that were known before are adopted, the ended aren't.

    Raises:
        KeySpent: every one of them is ending or gone.
    """
    before = {row.id: row for row in known}
    rows = [before.get(row.id, row) for row in rows]
    live = [row for row in rows if row.phase.is_live]
    spent = KeySpent(f"what was launched under {request.key} has ended", code="KeyEnded", scope=_INSTANCE)
    if rows and not live:
        raise spent
    lacking = request.count - len(rows)
    failures: list[DriverError] = [spent] * (len(rows) - len(live))
    failures += [
        OutOfCapacity(
            f"EC2 launched {len(rows)} of {request.count}",
            code="PartialLaunch",
            scope=launching.out_of_capacity(request),
        )
    ] * lacking
    created = tuple(row for row in live if row.id not in before)
    return LaunchReport(
        created=created, adopted=tuple(row for row in live if row.id in before), failures=tuple(failures)
    )
