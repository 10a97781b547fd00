"""VMs that are there: listing them, ending them, changing their labels."""

from collections.abc import Iterable, Mapping, Sequence

from vmpattern import naming
from vmpattern.driver import Selector
from vmpattern.errors import DriverError, Invalid, NotFound, Scope, ScopeKind
from vmpattern.model import Instance, InstanceId, Mislabelled
from vmpattern_gcp.answers import Operation, Vm
from vmpattern_gcp.api import Calls
from vmpattern_gcp.batches import MOST, Part, Sent
from vmpattern_gcp.names import Place, place, region_of
from vmpattern_gcp.rows import FIELDS, LEAVING, is_ours, row, vm_id

ENDS = "(operationType = delete OR operationType = compute.instances.preempted)"
IMMUTABLE = (naming.DEPLOYMENT, naming.FLEET, naming.REVISION, naming.INPUTS, naming.KEY, naming.PREVIOUS)


def selected(calls: Calls, selector: Selector, cloud: str) -> tuple[Instance | Mislabelled, ...]:
    """List every selected instance of every zone of the region."""
    wanted = {naming.DEPLOYMENT: selector.deployment}
    if selector.fleet is not None:
        wanted[naming.FLEET] = selector.fleet
    text = " AND ".join(f'labels.{name} = "{value}"' for name, value in wanted.items())
    vms = calls.in_region(Vm, "instances", fields=FIELDS, filter=text)
    odd = (vm for vm in vms if not is_ours(vm, calls.region) and vm.status not in LEAVING)
    strange = (row(vm, cloud, ending=False) for vm in odd)
    return (*rows(calls, vms, cloud), *strange)


def rows(calls: Calls, vms: Iterable[Vm], cloud: str) -> tuple[Instance, ...]:
    """Return the rows of those that are ours.

    One can't see of a VM that is leaving whether it will be stopped or gone. A service's is taken to be ending: it
    doesn't serve any more. A builder stops by itself when it is done, so that operations are asked whether it ends.
    """
    ours = [vm for vm in vms if is_ours(vm, calls.region)]
    leaving = [vm for vm in ours if vm.status in LEAVING]
    builders = [vm.id for vm in leaving if vm.labels[naming.FLEET] == naming.BUILDERS]
    ending = ({vm.id for vm in leaving} - set(builders)) | ends(calls, builders)
    found = (row(vm, cloud, ending=vm.id in ending) for vm in ours)
    return tuple(one for one in found if isinstance(one, Instance))


def ends(calls: Calls, numbers: Sequence[str]) -> set[str]:
    """Return which of these VMs are being deleted; nobody is asked about nobody."""
    found: set[str] = set()
    for first in range(0, len(numbers), MOST):
        targets = " OR ".join(f"targetId = {number}" for number in numbers[first : first + MOST])
        operations = calls.in_region(
            Operation, "operations", fields="name,targetId,status,error", filter=f"{ENDS} AND ({targets})"
        )
        found |= {operation.target_id for operation in operations if not operation.faults}
    return found


def known(calls: Calls, ids: Sequence[InstanceId]) -> dict[InstanceId, Vm]:
    """Read those of these VMs that are there: what a list doesn't show may be new, and is asked for by its number.

    Raises:
        Invalid: one of them isn't ours, isn't in the region, or an id is none.
    """
    numbers = [_here(calls, id).number for id in ids]
    found: dict[InstanceId, Vm] = {}
    for first in range(0, len(numbers), MOST):
        text = " OR ".join(f"id = {number}" for number in numbers[first : first + MOST])
        vms = calls.in_region(Vm, "instances", fields=FIELDS, filter=text)
        found |= {vm_id(vm): vm for vm in vms}
    for id in ids:
        if id not in found and (vm := by_path(calls, place(id).path)) is not None:
            found[id] = vm
    if strangers := sorted(id for id, vm in found.items() if not is_ours(vm, calls.region)):
        why = naming.read_labels(found[strangers[0]].labels)
        raise Invalid(f"{calls.subject.what}: {strangers[0]} isn't ours: {why}", code="NotOurs", field="ids")
    return {id: found[id] for id in ids if id in found}


def _here(calls: Calls, id: InstanceId) -> Place:
    where = place(id)
    if region_of(where.zone) != calls.region:
        text = f"{calls.subject.what}: {id} isn't in the region {calls.region}"
        raise Invalid(text, code="OtherRegion", field="ids")
    return where


def by_path(calls: Calls, path: str) -> Vm | None:
    """Read one VM, None where there is none."""
    try:
        return calls.get(Vm, path, fields=FIELDS)
    except NotFound:
        return None


def end(calls: Calls, ids: Sequence[InstanceId]) -> None:
    """Delete VMs of ours, by their numbers: another VM that has a name by now isn't meant."""
    there = known(calls, ids)
    answers = _together(calls, [Part(method="DELETE", path=place(id).path) for id in there])
    for sent in answers:
        if (error := _error(calls, sent)) is not None and not isinstance(error, NotFound):
            raise error


def relabel(calls: Calls, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
    """Set mutable labels of VMs of ours; an empty value removes one.

    Raises:
        Transient: somebody else changed labels at the same time; nothing of theirs was lost.
    """
    if fixed := sorted(set(labels) & set(IMMUTABLE)):
        raise Invalid(f"the label {fixed[0]} is set at launch and never changes", code="ImmutableLabel", field="labels")
    there = known(calls, ids)
    if missing := [id for id in ids if id not in there]:
        scope = Scope(ScopeKind.INSTANCE)
        raise NotFound(f"{calls.subject.what}: there is no instance {missing[0]}", code="notFound", scope=scope)
    parts = [_labelled(id, vm, labels) for id, vm in there.items()]
    for sent in _together(calls, parts):
        if (error := _error(calls, sent)) is not None:
            raise error


def _labelled(id: InstanceId, vm: Vm, labels: Mapping[str, str]) -> Part:
    merged = {name: value for name, value in {**vm.labels, **labels}.items() if value}
    body = {"labels": merged, "labelFingerprint": vm.label_fingerprint}
    return Part(method="POST", path=f"{place(id).path}/setLabels", body=body)


def _together(calls: Calls, parts: Sequence[Part]) -> list[Sent]:
    answers: list[Sent] = []
    for first in range(0, len(parts), MOST):
        answers += calls.together(parts[first : first + MOST])
    return answers


def _error(calls: Calls, sent: Sent) -> DriverError | None:
    if sent.error is not None:
        return sent.error
    return calls.raised(sent.operation) if sent.operation is not None else None
