"""Launching: VMs with names made of the launch key, so that each exists once, however often it is asked for.

One VM is `instances.insert`; several are one `instances.bulkInsert`, between two lists of what bears the key.
"""

from collections.abc import Iterable, Mapping, Sequence

import attrs

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import (
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    NotFound,
    OutcomeUnknown,
    Scope,
    ScopeKind,
)
from vmpattern.model import Capabilities, Instance, Phase
from vmpattern_gcp.answers import Operation, Vm
from vmpattern_gcp.api import Calls, Json
from vmpattern_gcp.errors import unlaunchable
from vmpattern_gcp.fleet import by_path, rows
from vmpattern_gcp.insertion import one, several
from vmpattern_gcp.names import instance_id, last, moment, region_of, request_digest, request_id, vm_names
from vmpattern_gcp.rows import FIELDS, is_ours, told


def launch(calls: Calls, request: LaunchRequest, cloud: str, can: Capabilities) -> LaunchReport:
    """Create or adopt the VMs of a request.

    Raises:
        DriverError: nothing was created.
        OutcomeUnknown: that isn't certain.
    """
    check(request, can, calls.region)
    names = vm_names(request.fleet, request.key, request.count)
    launcher = _Launcher(calls, request, cloud)
    return launcher.alone(names[0]) if request.count == 1 else launcher.together(names)


def check(request: LaunchRequest, can: Capabilities, region: str) -> None:
    """Check what needs no cloud.

    Raises:
        Invalid: the request can never work; names the field.
    """
    if not 1 <= request.count <= can.max_batch:
        raise Invalid(f"expected a count from 1 to {can.max_batch}, not {request.count}", code="Count", field="count")
    if region_of(request.zone) != region:
        raise Invalid(f"there is no zone {request.zone} in the region {region}", code="OtherRegion", field="zone")
    if request.market not in can.markets:
        raise Invalid(f"there is no market {request.market.value}", code="Market", field="market")
    if len(request.script.encode()) > can.script_bytes:
        text = f"the script has more than {can.script_bytes:,} bytes"
        raise Invalid(text, code="ScriptTooLong", field="script")


@attrs.frozen
class _Launcher:
    calls: Calls
    request: LaunchRequest
    cloud: str

    @property
    def zone(self) -> str:
        return f"zones/{self.request.zone}"

    def alone(self, name: str) -> LaunchReport:
        """Insert one VM, or find it there."""
        body = one(self.request, name, self.calls.project)
        try:
            begun = self._begin(f"{self.zone}/instances", body, [name])
        except KeyConflict as error:
            return self._found(by_path(self.calls, f"{self.zone}/instances/{name}"), error)
        if begun.is_done:
            return self._found(by_path(self.calls, f"{self.zone}/instances/{begun.target_id}"), None)
        ended = self._settled(begun)
        if (failed := self.calls.raised(ended)) is not None:
            raise unlaunchable(failed)
        return LaunchReport(created=(self._new(name, ended),))

    def together(self, names: Sequence[str]) -> LaunchReport:
        """Insert those of several VMs that aren't there yet."""
        before = self._there()
        self._check_same(before.values())
        missing = [name for name in names if name not in before]
        if not missing:
            return self._report(names, before, before, {})
        body = several(self.request, missing, self.calls.project)
        begun = self._begin(f"{self.zone}/instances/bulkInsert", body, missing)
        ended = self._settled(begun)
        try:
            after = self._there()
            errors = self._why([name for name in missing if name not in after], ended, replayed=begun.is_done)
        except DriverError as error:
            raise self._unknown(error) from error
        self._check_same(after.values())
        return self._report(names, before, after, errors)

    # -- asking -------------------------------------------------------------------------------------------------------

    def _begin(self, path: str, body: Json, names: list[str]) -> Operation:
        """Start an insertion, unless Google had it before and all is well.

        Nothing ends before it is answered: what is done at once is the answer to the same request, sent once before.
        If that came to nothing, it is sent anew, without an id: Google would remember the failure for an hour or so.
        """
        id = request_id(self.request.key, request_digest(self.request), names)
        try:
            begun = self.calls.change("POST", path, body, requestId=id)
            return self.calls.change("POST", path, body) if begun.is_done and begun.faults else begun
        except NotFound as error:
            raise unlaunchable(error) from error.__cause__

    def _settled(self, begun: Operation) -> Operation:
        """Wait, at Google's side, until an insertion has ended.

        Raises:
            OutcomeUnknown: it hasn't, or nobody says.
        """
        try:
            ended = begun if begun.is_done else self.calls.wait(begun, self.zone)
        except DriverError as error:
            raise self._unknown(error) from error
        if not ended.is_done:
            raise OutcomeUnknown(f"{self.calls.subject.what}: it takes longer than two minutes", code=ended.status)
        return ended

    def _unknown(self, error: DriverError) -> OutcomeUnknown:
        text = f"{self.calls.subject.what}: it was begun, and then: {error.message}"
        return OutcomeUnknown(text, code=error.code, scope=error.scope, request_id=error.request_id)

    def _there(self) -> dict[str, Vm]:
        """Read what bears the key in the zone, by name."""
        text = f'labels.{naming.KEY} = "{self.request.key}"'
        fields = f"items({FIELDS}),nextPageToken,warning(code,message)"
        try:
            vms = self.calls.every(Vm, f"{self.zone}/instances", filter=text, fields=fields)
        except NotFound as error:
            raise unlaunchable(error) from error.__cause__
        return {vm.name: vm for vm in vms if is_ours(vm, self.calls.region)}

    def _why(self, names: Sequence[str], ended: Operation, *, replayed: bool) -> Mapping[str, DriverError]:
        """Return why these VMs aren't there, as far as it is known.

        Each has an insertion of its own in the group of the whole. Of those that an earlier request made, and that
        aren't there, the end is certain; one that was made just now may be missing from a list that is a little late.
        """
        if not names:
            return {}
        whole = self.calls.raised(ended) or (self._spent() if replayed else None)
        own = self._own_errors(ended) if ended.operation_group_id else {}
        found = {name: own.get(name) or whole for name in names}
        return {name: error for name, error in found.items() if error is not None}

    def _own_errors(self, ended: Operation) -> dict[str, DriverError]:
        text = f"operationGroupId = {ended.operation_group_id} AND operationType = insert"
        operations = self.calls.every(Operation, f"{self.zone}/operations", filter=text)
        errors = {last(operation.target_link): self.calls.raised(operation) for operation in operations}
        return {name: unlaunchable(error) for name, error in errors.items() if error is not None}

    # -- telling ------------------------------------------------------------------------------------------------------

    def _found(self, vm: Vm | None, taken: DriverError | None) -> LaunchReport:
        """Report on a VM that was there before: adopted, unless it is another's, of another request, or ending."""
        if vm is None:
            raise self._spent()
        if not is_ours(vm, self.calls.region):
            raise KeyConflict(
                f"{self.calls.subject.what}: the name {vm.name} is taken by a VM without our labels",
                code=taken.code if taken else "NotOurs",
                scope=Scope(ScopeKind.INSTANCE),
            ) from taken
        self._check_same([vm])
        return self._report([vm.name], {vm.name: vm}, {vm.name: vm}, {})

    def _check_same(self, vms: Iterable[Vm]) -> None:
        digest, bears = request_digest(self.request), self.request.labels
        for vm in vms:
            if told(vm, "request") != digest or any(vm.labels.get(name) != value for name, value in bears.items()):
                text = f"{self.calls.subject.what}: {vm.name} bears the key, and was launched by another request"
                raise KeyConflict(text, code="AnotherRequest", scope=Scope(ScopeKind.INSTANCE), field="key")

    def _report(
        self,
        names: Sequence[str],
        before: Mapping[str, Vm],
        after: Mapping[str, Vm],
        errors: Mapping[str, DriverError],
    ) -> LaunchReport:
        """Report on each name: those that were there before are adopted, those that are ending are spent."""
        seen = rows(self.calls, [after[name] for name in names if name in after], self.cloud)
        live = [row for row in seen if row.phase.is_live]
        spent = [self._spent() for row in seen if not row.phase.is_live]
        failures = (*spent, *(errors[name] for name in names if name in errors))
        unknown = len(names) - len(live) - len(failures)
        if not live and not unknown and len({str(error) for error in failures}) == 1:
            raise failures[0]
        return LaunchReport(
            created=tuple(row for row in live if row.name not in before),
            adopted=tuple(row for row in live if row.name in before),
            failures=failures,
            unknown=unknown,
        )

    def _new(self, name: str, ended: Operation) -> Instance:
        """Return the row of a VM that was just made; its address isn't known yet."""
        request = self.request
        return Instance(
            id=instance_id(request.zone, ended.target_id),
            cloud=self.cloud,
            deployment=request.deployment,
            fleet=request.fleet,
            revision=request.revision,
            key=request.key,
            zone=request.zone,
            machine_type=request.machine_type,
            image=request.image,
            phase=Phase.PENDING,
            launched_at=moment(ended.insert_time),
            name=name,
            market=request.market,
            inputs=request.inputs,
            previous=request.previous,
        )

    def _spent(self) -> KeySpent:
        text = f"{self.calls.subject.what}: what the key {self.request.key} made is gone or ending"
        return KeySpent(text, code="KeySpent", scope=Scope(ScopeKind.INSTANCE), field="key")
