"""Balancing: a backend service's unmanaged groups, one a zone; the health of members; and those that are draining.

Google forgets who was taken out of a group, though requests in flight may go on for as long as the backend service
lets them. So the moment until which a VM drains is written on it, in a label of the driver's own.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, NotFound, SpecError
from vmpattern.model import InstanceId, Membership, Options, Standing
from vmpattern_gcp.answers import BackendService, GroupHealth, HealthState, Member, Vm
from vmpattern_gcp.api import Calls, Json
from vmpattern_gcp.fleet import known, relabel
from vmpattern_gcp.names import last, place, region_of
from vmpattern_gcp.options import BalancerOptions
from vmpattern_gcp.rows import FIELDS, is_ours, vm_id
from vmpattern_libcloud import redacted

DRAINING_UNTIL = "vmpattern-gcp-draining-until"
HEALTHY = Standing(Membership.HEALTHY)
LEAVING = Standing(Membership.DRAINING, "it was taken out of its group")
UNASKED = Standing(Membership.UNHEALTHY, "no health check has told of it yet")
Now = Callable[[], float]


def balancer_options(options: Options) -> BalancerOptions:
    """Return the balancer's options.

    Raises:
        Invalid: one is unknown, missing or has a wrong value; tells all.
    """
    try:
        return parse_options(BalancerOptions, options, path="balancer")
    except SpecError as error:
        raise Invalid(str(error), code="WrongOptions", field=error.problems[0].path) from error


@attrs.frozen
class Group:
    """An unmanaged instance group in a zone."""

    zone: str
    name: str

    @property
    def path(self) -> str:
        """The path within the project."""
        return f"zones/{self.zone}/instanceGroups/{self.name}"


@attrs.frozen
class Front:
    """A backend service, as it was read: its path, its groups by zone, how long it lets members drain."""

    path: str
    groups: Mapping[str, Group]
    draining_s: int


def front(calls: Calls, options: Options) -> Front:
    """Read a backend service.

    Raises:
        Invalid: its backends aren't unmanaged groups, one a zone at most.
        NotFound: there is none.
    """
    chosen = balancer_options(options)
    scope = f"regions/{chosen.region}" if chosen.region else "global"
    path = f"{scope}/backendServices/{chosen.backend_service}"
    try:
        service = calls.get(BackendService, path)
    except NotFound as error:
        text = f"there is no backend service {path}"
        raise NotFound(text, code=error.code, field="balancer.backend_service") from error
    groups: dict[str, Group] = {}
    for backend in service.backends:
        parts = backend.group.split("/")
        if len(parts) < 4 or parts[-2] != "instanceGroups" or parts[-4] != "zones":
            text = f"the backend {backend.group} of {path} isn't an instance group of a zone"
            raise Invalid(text, code="NoZonalGroup", field="balancer.backend_service")
        if parts[-3] in groups:
            text = f"{path} has two groups in {parts[-3]}: one can't tell which a VM belongs into"
            raise Invalid(text, code="TwoGroups", field="balancer.backend_service")
        groups[parts[-3]] = Group(parts[-3], parts[-1])
    return Front(path, groups, service.connection_draining.draining_timeout_sec)


def members(calls: Calls, options: Options, now: Now) -> dict[InstanceId, Standing]:
    """List the members that are ours, with the word of the health check, and those that are draining."""
    there = front(calls, options)
    vms = calls.in_region(Vm, "instances", fields=FIELDS, filter=f"labels.{naming.KEY}:*")
    ours = [vm for vm in vms if is_ours(vm, calls.region)]
    ids = {(last(vm.zone), vm.name): vm_id(vm) for vm in ours}
    moment = now()
    found = {vm_id(vm): LEAVING for vm in ours if last(vm.zone) in there.groups and _drains_until(vm) > moment}
    for zone, group in there.groups.items():
        if region_of(zone) != calls.region:
            continue
        links = _members(calls, group)
        if links:
            health = calls.ask(GroupHealth, f"{there.path}/getHealth", {"group": _link(calls, group)})
            told = {last(one.instance): one for one in health.health_status}
            for name in links:
                if (id := ids.get((zone, name))) is not None:
                    found[id] = standing(told[name]) if name in told else UNASKED
    return found


def shares(calls: Calls, options: Options, other: Options) -> bool:
    """Tell whether two backend services have a group in common; one that isn't there has none."""
    try:
        groups, others = (set(front(calls, one).groups.values()) for one in (options, other))
    except NotFound:
        return balancer_options(options) == balancer_options(other)
    return not groups.isdisjoint(others)


def standing(state: HealthState) -> Standing:
    """Return where a member stands by the word of its health check, which tells little more than the state."""
    if state.health_state == "HEALTHY":
        return HEALTHY
    notes = "".join(f", {name}: {value}" for name, value in state.annotations.items())
    return Standing(
        Membership.UNHEALTHY, redacted(f"{state.health_state} at {state.ip_address}:{state.port}{notes}", ())
    )


def register(calls: Calls, options: Options, ids: Sequence[InstanceId]) -> None:
    """Add VMs to the groups of their zones.

    Raises:
        Invalid: the backend service has no group in a zone.
        NotFound: a VM isn't there.
    """
    there, vms = front(calls, options), known(calls, ids)
    if missing := [id for id in ids if id not in vms]:
        raise NotFound(f"{calls.subject.what}: there is no instance {missing[0]}", code="notFound")
    zones = {place(id).zone for id in vms}
    if without := sorted(zones - set(there.groups)):
        text = f"{there.path} has no instance group in {without[0]}: add one as a backend"
        raise Invalid(text, code="NoGroup", field="balancer.backend_service")
    for zone in sorted(zones):
        inside = _members(calls, there.groups[zone])
        names = [vm.name for id, vm in vms.items() if place(id).zone == zone and vm.name not in inside]
        _change(calls, there.groups[zone], "addInstances", names)


def deregister(calls: Calls, options: Options, ids: Sequence[InstanceId], now: Now) -> None:
    """Take VMs out of their groups; as long as the backend service lets them drain, they are told to be draining."""
    there, vms = front(calls, options), known(calls, ids)
    leaving: dict[str, list[InstanceId]] = {}
    for zone, group in there.groups.items():
        here = [id for id in vms if place(id).zone == zone]
        inside = _members(calls, group) if here else set[str]()
        leaving[zone] = [id for id in here if vms[id].name in inside]
    out = [id for ids_of_zone in leaving.values() for id in ids_of_zone]
    if out and there.draining_s:
        # Before the change: what is told to be draining and is still a member counts as a member.
        relabel(calls, out, {DRAINING_UNTIL: str(int(now()) + there.draining_s)})
    for zone, gone in leaving.items():
        _change(calls, there.groups[zone], "removeInstances", [vms[id].name for id in gone])


def _drains_until(vm: Vm) -> float:
    text = vm.labels.get(DRAINING_UNTIL, "")
    return float(text) if re.fullmatch("[0-9]{1,12}", text) else 0.0


def _members(calls: Calls, group: Group) -> set[str]:
    found = calls.every(Member, f"{group.path}/listInstances", method="POST")
    return {last(member.instance) for member in found}


def _change(calls: Calls, group: Group, verb: str, names: Iterable[str]) -> None:
    instances = [{"instance": f"projects/{calls.project}/zones/{group.zone}/instances/{name}"} for name in names]
    if not instances:
        return
    body: Json = {"instances": instances}
    if (error := calls.raised(calls.change("POST", f"{group.path}/{verb}", body))) is not None:
        raise error


def _link(calls: Calls, group: Group) -> str:
    return f"https://www.googleapis.com/compute/v1/projects/{calls.project}/{group.path}"
