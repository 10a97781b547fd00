"""From decided actions to calls, and from their answers to what is known: one method an action, one an answer."""

import math
from collections.abc import Callable, Mapping
from functools import partial

from vmpattern import naming
from vmpattern.access.gateway import Account, Call
from vmpattern.access.requests import checked_report, launch_request
from vmpattern.access.runtime import Answer, Runtime
from vmpattern.driver import Balancer, Driver, LaunchReport
from vmpattern.errors import (
    ContractBroken,
    Denied,
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Throttled,
    Transient,
    Unauthenticated,
    Unsupported,
)
from vmpattern.model import EventKind, Idempotency, InstanceId, NoRoom, Options, Slot, options_text
from vmpattern.planner import Deregister, Drain, FleetAction, Keep, Launch, Register, Terminate, is_out_of_quota
from vmpattern.reconcile.fleet_run import BLOCK_S, FleetRun
from vmpattern.reconcile.unresolved import UnresolvedLaunches

FATAL = (QuotaExceeded, Denied, Unauthenticated, Invalid, Unsupported, ContractBroken)
"""Errors after which only a person can help: the fleet stops before anything is drained."""

WITHDRAWN = "Withdrawn"
"""The code of a call that was taken back before it was sent: no failure of anybody."""


Remember = Callable[[str, str, Options], str]
"""Notes that a fleet is registered with a balancer in a cloud, and returns why that can't be noted; empty if it was."""


def remember_nothing(fleet: str, cloud: str, balancer: Options) -> str:
    """Note nothing: for forecasts."""
    return ""


class Acts:
    """Carries out the actions of one deployment's fleets.

    `look_again(cloud, not_before)` asks for a reading of the cloud at or after a time: an unknown launch waits for it.
    `expect(cloud)` asks for one when something changes there by itself: after a call, that may be sooner than before.
    `remember` is called before a fleet is registered with a balancer.
    """

    def __init__(
        self,
        deployment: str,
        accounts: Mapping[str, Account],
        runtime: Runtime,
        *,
        look_again: Callable[[str, float], None],
        expect: Callable[[str], None],
        remember: Remember = remember_nothing,
    ) -> None:
        self._deployment = deployment
        self._accounts = accounts
        self._runtime = runtime
        self._look_again = look_again
        self._expect = expect
        self._unresolved = UnresolvedLaunches()
        self._remember = remember
        self._remembered: set[tuple[str, str, Options]] = set()
        self._moved: list[tuple[FleetRun, Register | Drain | Deregister, float]] = []

    def dispatch(self, run: FleetRun, action: FleetAction) -> None:
        """Turn an action into a call, and enter it into the index at once."""
        now = self._runtime.now()
        match action:
            case Launch():
                self._launch(run, action, now)
            case Terminate():
                self._terminate(run, action, now)
            case Drain():
                self._drain(run, action, now)
            case Register():
                self._register(run, action)
            case Deregister():
                self._deregister(run, action)
            case Keep():
                self._keep(run, action)

    def was_read(self, cloud: str, asked_at: float, unread: frozenset[str] = frozenset()) -> None:
        """After a reading asked for at `asked_at`: what it must show, if it ever happened, is known now.

        Of the fleets in `unread`, whose balancer it didn't show, it isn't.
        """
        read = [entry for entry in self._moved if entry[1].cloud == cloud and entry[0].fleet.name not in unread]
        shown = [entry for entry in read if asked_at >= entry[2]]
        for run, action, _ in shown:
            run.index.update(action.ids, self._runtime.now(), **{_SENT[type(action)]: False})
        if shown:
            self._moved = [entry for entry in self._moved if entry not in shown]
        self._unresolved.was_read(cloud, asked_at, self._runtime.now())

    def withdraw(self, call: Call) -> None:
        """Take back a call that waits: it failed, unless an earlier attempt may have had its effect."""
        error = OutcomeUnknown if call.unresolved else Transient
        call.done(call, Answer(-1, error=error("it was taken back before it was sent", code=WITHDRAWN)))

    # -- one method an action -----------------------------------------------------------------------------------------

    def _launch(self, run: FleetRun, action: Launch, now: float) -> None:
        slot = run.index.slots[action.slot]
        assert isinstance(slot, Slot), "what isn't resolved is never launched"
        account = self._accounts[slot.cloud]
        request = launch_request(
            self._deployment,
            run.fleet,
            run.service,
            slot,
            count=action.count,
            key=action.key,
            previous=run.index.previous(),
            env=run.env,
        )
        driver = account.driver

        def launch() -> object:
            report = checked_report(driver.name, request, driver.launch(request))
            if report.unknown:
                raise OutcomeUnknown(f"{report.unknown} of {request.count} launches gave no answer")
            return report

        def launched(call: Call, answer: Answer) -> None:
            self._launched(run, action, call, answer, slot.cloud)

        run.keys.add(action.key)
        run.index.launch_sent(action.key, action.slot, action.count)
        run.tell(
            EventKind.LAUNCHING,
            now,
            cloud=slot.cloud,
            zone=slot.zone,
            count=action.count,
            key=action.key,
            message=slot.machine_type,
            market=slot.market,
        )
        self._submit(
            run,
            account,
            Call(
                verb="launch",
                label=action.key,
                run=launch,
                done=launched,
                costs={"launch": 1.0, "launch-instances": float(action.count)},
                resend_unknown=driver.capabilities.idempotency is not Idempotency.NONE,
                give_up_s=run.fleet.rollout.progress_deadline_s,
            ),
        )

    def _terminate(self, run: FleetRun, action: Terminate, now: float) -> None:
        account = self._accounts[action.cloud]
        driver = account.driver

        def terminated(call: Call, answer: Answer) -> None:
            self._terminated(run, action, answer)

        index = run.index
        index.destroyed(sum(not index.rows[i].approved for i in action.ids if i in index.rows), now)
        index.update(action.ids, now, ending_sent=True)
        run.tell(EventKind.TERMINATING, now, cloud=action.cloud, instances=action.ids, planned=action.planned)
        costs = {"terminate": 1.0, "terminate-instances": float(len(action.ids))}
        call = Call(
            verb="terminate",
            label=action.ids[0],
            run=lambda: driver.terminate(action.ids),
            done=terminated,
            costs=costs,
        )
        self._submit(run, account, call)

    def _drain(self, run: FleetRun, action: Drain, now: float) -> None:
        driver = self._accounts[action.cloud].driver
        is_former = run.fleet.balancer.get(action.cloud) != action.balancer

        def drained(call: Call, answer: Answer) -> None:
            now = self._runtime.now()
            if self._is_out(run, answer, action.cloud):
                run.index.update(action.ids, now, draining_at=now, drain_sent=False)
                if is_former:
                    self._moved.append((run, action, now))
                self._look_again(action.cloud, now)
            else:
                undone = {"draining_at": None, "drain_sent": False, "drained": False, "approved": False}
                run.tell_changes(run.index.update(action.ids, now, release_sent=False, **undone), now)

        run.index.destroyed(len(action.ids), now)
        begun = {"draining_at": now, "drain_sent": True, "drained": False, "approved": True}
        run.index.update(action.ids, now, release_sent=is_former, **begun)
        run.tell(EventKind.DRAINING, now, cloud=action.cloud, instances=action.ids)
        self._balance(run, action.cloud, "deregister", action.ids, partial(_take_out, driver, action), drained)

    def _register(self, run: FleetRun, action: Register) -> None:
        driver, balancer = self._accounts[action.cloud].driver, run.fleet.balancer[action.cloud]

        def registered(call: Call, answer: Answer) -> None:
            now = self._runtime.now()
            if self._ended(run, answer, action.cloud):
                message = options_text(balancer)
                run.tell(EventKind.REGISTERED, now, cloud=action.cloud, instances=action.ids, message=message)
            elif not isinstance(answer.error, NotFound):
                run.index.update(action.ids, now, register_sent=False)
                return
            # Where something wasn't found, only a reading says what: without one it would be sent again at once.
            self._moved.append((run, action, now))
            self._look_again(action.cloud, now)

        def register() -> None:
            _balancer(driver).register(balancer, action.ids)

        self._note(run, action.cloud, balancer)
        run.index.update(action.ids, self._runtime.now(), register_sent=True)
        self._balance(run, action.cloud, "register", action.ids, register, registered)

    def _note(self, run: FleetRun, cloud: str, balancer: Options) -> None:
        """Have a registration written down before it is sent, so that the fleet can be drained from there later."""
        entry = (run.fleet.name, cloud, balancer)
        if entry in self._remembered:
            return
        self._remembered.add(entry)
        if trouble := self._remember(*entry):
            message = f"which balancer it is registered with isn't remembered: {trouble}"
            run.tell(EventKind.CALL_FAILED, self._runtime.now(), cloud=cloud, message=message)

    def _deregister(self, run: FleetRun, action: Deregister) -> None:
        driver, rows = self._accounts[action.cloud].driver, run.index.rows
        staying = tuple(id for id in action.ids if rows[id].draining_at is None)

        def deregistered(call: Call, answer: Answer) -> None:
            now = self._runtime.now()
            if not self._is_out(run, answer, action.cloud):
                run.index.update(action.ids, now, release_sent=False)
                return
            if staying:
                message = options_text(action.balancer)
                run.tell(EventKind.DEREGISTERED, now, cloud=action.cloud, instances=staying, message=message)
            self._moved.append((run, action, now))
            self._look_again(action.cloud, now)

        run.index.update(action.ids, self._runtime.now(), release_sent=True)
        self._balance(run, action.cloud, "deregister", action.ids, partial(_take_out, driver, action), deregistered)

    def _balance(
        self,
        run: FleetRun,
        cloud: str,
        verb: str,
        ids: tuple[InstanceId, ...],
        work: Callable[[], None],
        done: Callable[[Call, Answer], None],
    ) -> None:
        label = f"{verb} {ids[0]}"
        call = Call(verb=verb, label=label, run=work, done=done, costs={"balancer": 1.0})
        self._submit(run, self._accounts[cloud], call)

    def _keep(self, run: FleetRun, action: Keep) -> None:
        account = self._accounts[action.cloud]
        labels = {naming.KEPT_UNTIL: str(int(action.until))}

        def kept(call: Call, answer: Answer) -> None:
            now = self._runtime.now()
            if self._ended(run, answer, action.cloud):
                run.tell_changes(run.index.keep(action.id, float(int(action.until)), now), now)
                run.tell(EventKind.KEPT, now, cloud=action.cloud, instances=(action.id,))
            else:
                run.index.update((action.id,), now, keep_sent=False, keep_refused=True)

        run.index.update((action.id,), self._runtime.now(), keep_sent=True)
        call = Call(
            verb="label",
            label=action.id,
            run=lambda: account.driver.label((action.id,), labels),
            done=kept,
            costs={"label": 1.0},
        )
        self._submit(run, account, call)

    def _submit(self, run: FleetRun, account: Account, call: Call) -> None:
        run.index.in_flight += 1
        call.fleet = run.fleet.name
        account.submit(call)

    # -- one method an answer -----------------------------------------------------------------------------------------

    def _launched(self, run: FleetRun, action: Launch, call: Call, answer: Answer, cloud: str) -> None:
        now, index = self._runtime.now(), run.index
        index.in_flight -= 1
        run.touch()
        if isinstance(answer.result, LaunchReport):
            index.launch_ended(action.key)
            self._take_report(run, action, answer.result, cloud)
            return
        error = answer.error or ContractBroken("a launch without result or error")
        unresolved = call.unresolved and isinstance(error, Throttled | Transient)
        if unresolved or isinstance(error, OutcomeUnknown | KeyConflict):
            capabilities = self._accounts[cloud].driver.capabilities
            visible_at = call.sent_at + capabilities.call_timeout_s + capabilities.staleness_s
            conflict = error if isinstance(error, KeyConflict) else None
            self._unresolved.add(run, cloud, action.key, visible_at, conflict, now)
            self._look_again(cloud, visible_at)
            return
        index.launch_ended(action.key, spent=isinstance(error, KeySpent))
        self._launch_failed(run, action, error, action.count, cloud)
        index.failures += isinstance(error, Transient | NotFound) and error.code != WITHDRAWN

    def _take_report(self, run: FleetRun, action: Launch, report: LaunchReport, cloud: str) -> None:
        now, instances = self._runtime.now(), (*report.created, *report.adopted)
        changes = [change for one in instances for change in run.index.see(one, now, ours=True, listed=False)]
        run.created += len(instances)
        if instances:
            run.found_room(run.index.slots[action.slot])
        ids = tuple(sorted(instance.id for instance in instances))
        zone = run.index.slots[action.slot].zone or ""
        if instances:
            run.index.conflicts = 0
        run.tell(EventKind.LAUNCHED, now, cloud=cloud, zone=zone, instances=ids, key=action.key)
        run.tell_changes(changes, now)
        told: set[str] = set()
        for error in report.failures:
            if str(error) not in told:
                told.add(str(error))
                alike = sum(str(other) == str(error) for other in report.failures)
                self._launch_failed(run, action, error, alike, cloud)
            run.index.failures += not isinstance(error, OutOfCapacity | Throttled | KeySpent | QuotaExceeded)
        self._expect(cloud)

    def _launch_failed(self, run: FleetRun, action: Launch, error: DriverError, count: int, cloud: str) -> None:
        now, zone, key = self._runtime.now(), run.index.slots[action.slot].zone or "", action.key
        if isinstance(error, OutOfCapacity):
            refusal = NoRoom(cloud=cloud, scope=error.scope, code=error.code, message=error.message, at=now)
            run.refuse(refusal, now + (error.retry_after_s or BLOCK_S))
            run.tell(EventKind.BLOCKED, now, cloud=cloud, zone=zone, count=count, key=key, message=str(error))
        elif isinstance(error, KeySpent):
            run.touch()
        elif isinstance(error, QuotaExceeded):
            # Of a launch that was carried out in part, a single one more is too many.
            tried = count if count == action.count else 1
            if run.index.quota_refused(error.scope, cloud, tried, str(error)):
                refusal = NoRoom(cloud=cloud, scope=error.scope, code=error.code, message=error.message, at=now)
                run.refuse(refusal, math.inf)
            if is_out_of_quota(run.index):
                run.fail(error, now, cloud=cloud, fatal=True)
            else:
                run.tell(EventKind.BLOCKED, now, cloud=cloud, zone=zone, count=count, key=key, message=str(error))
        elif isinstance(error, FATAL):
            run.fail(error, now, cloud=cloud, fatal=True)
        else:
            run.tell(EventKind.LAUNCH_FAILED, now, cloud=cloud, zone=zone, count=count, key=key, message=str(error))

    def _terminated(self, run: FleetRun, action: Terminate, answer: Answer) -> None:
        now = self._runtime.now()
        if self._ended(run, answer, action.cloud) or isinstance(answer.error, NotFound):
            run.ended(action.ids)
            run.index.progress_at = now
            run.tell_changes(run.index.update(action.ids, now, ending=True), now)
            run.tell(EventKind.TERMINATED, now, cloud=action.cloud, instances=action.ids, planned=action.planned)
        else:
            run.tell_changes(run.index.update(action.ids, now, ending_sent=False), now)

    def _is_out(self, run: FleetRun, answer: Answer, cloud: str) -> bool:
        """As `_ended`, of a deregistration: a balancer that isn't there has no members."""
        return self._ended(run, answer, cloud) or isinstance(answer.error, NotFound)

    def _ended(self, run: FleetRun, answer: Answer, cloud: str) -> bool:
        """Take a call out of flight; tell whether it succeeded, and note the error if not."""
        run.index.in_flight -= 1
        run.touch()
        if answer.error is None:
            return True
        if not isinstance(answer.error, NotFound) and answer.error.code != WITHDRAWN:
            run.fail(answer.error, self._runtime.now(), cloud=cloud, fatal=isinstance(answer.error, FATAL))
        return False


_SENT = {Register: "register_sent", Drain: "release_sent", Deregister: "release_sent"}
"""What a row says of a call that moves it, until a reading asked for after the answer."""


def _balancer(driver: Driver) -> Balancer:
    if not isinstance(driver, Balancer):
        raise Unsupported(f"{driver.name} has no balancer")
    return driver


def _take_out(driver: Driver, action: Drain | Deregister) -> None:
    _balancer(driver).deregister(action.balancer, action.ids)
