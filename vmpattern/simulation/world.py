"""The simulated world: its time, its VMs and what happens to them by themselves. No API, no permission, no budget.

Time moves only by `advance`. What is due is kept in a heap, and what has changed in the order of the changes, so that a
step costs what changes in it, not what there is.
"""

import heapq
from collections import Counter, deque
from collections.abc import Iterable, Iterator

import attrs

from vmpattern import naming
from vmpattern.driver import Selector
from vmpattern.model import Health, Instance, InstanceId, Phase
from vmpattern.simulation.faults import NONE, FaultKind, Faults
from vmpattern.simulation.guest import powers_off
from vmpattern.simulation.past import Past
from vmpattern.simulation.spec import CloudSpec
from vmpattern.simulation.vm import FLAP_SICK_S, FLAP_WELL_S, GOOD, HANG_S, SLOW_FACTOR, Fate, Turn, Vm, changed
from vmpattern.simulation.weather import Weather

SHOWN_AFTER_END_S = 60.0
REMEMBERED_S = 86400.0

# Members have plain names here: looked up through its class, each would cost as much as a call (Python 3.11).
PENDING, RUNNING, STOPPED, TERMINATING, TERMINATED = Phase
HEALTHY, UNHEALTHY, UNKNOWN = Health
BOOT, RUN, WELL, STOP, SICK, GONE = Turn


Ahead = tuple[float, int, Vm]
"""A turn that is ahead: when, the number that tells it from turns which were called off, and whose."""


@attrs.frozen
class Odd:
    """Why a VM's labels can't be read, and the last row that could be; None if none was seen here."""

    reason: str
    before: Instance | None


class World:
    """Everything that exists in one simulated cloud.

    `changed` maps ids to the position of their last change, in that order; `gone` holds the last rows of those that no
    list shows any more. `live` counts what isn't ending by zone and machine type, `rows` what lists show by
    deployment and fleet, and by deployment alone. `odd` has those whose labels can't be read. The turns that are ahead
    stand in three heaps, by who waits for them: nobody for ends, and hardly anybody for boots.
    """

    def __init__(self, spec: CloudSpec, faults: Faults, start: float, at: float) -> None:
        self.spec = spec
        self.faults = faults
        self.start = start
        self.at = at
        self.vms: dict[InstanceId, Vm] = {}
        self.odd: dict[InstanceId, Odd] = {}
        self.gone: dict[InstanceId, tuple[float, Instance]] = {}
        self.changed: dict[InstanceId, int] = {}
        self.position = 0
        self.seq = 0
        self.vanishing: deque[tuple[float, InstanceId]] = deque()
        self.live: Counter[tuple[str, str]] = Counter()
        self.rows: Counter[tuple[str, str | None]] = Counter()
        self.past = Past(spec.capabilities.staleness_s if faults.has(FaultKind.STALE_LIST) else 0.0)
        self.weather = Weather(faults, spec.zones, start=start, at=self.at)
        self._lives: list[Ahead] = []
        self._boots: list[Ahead] = []
        self._ends: list[Ahead] = []
        self._heaps = (self._lives, self._boots, self._ends)

    @property
    def elapsed_s(self) -> float:
        """Seconds since the world began, as faults count them."""
        return self.weather.elapsed_s(self.at)

    # -- what a caller does -------------------------------------------------------------------------------------------

    def add(self, row: Instance, fate: Fate = GOOD, script: str = "") -> None:
        """Put a VM that was just launched into the world; with a script it is a builder."""
        vm = Vm(row, fate, flaps=fate.flaps, script=script)
        boot_s = self.spec.capabilities.latencies.boot_s
        self._judge(row, None)
        turn = RUN if script or fate.slow_boot or fate.never_ready or fate.mute else BOOT
        self.place(vm, turn, self.at + (boot_s * SLOW_FACTOR if fate.slow_boot else boot_s))

    def place(self, vm: Vm, turn: Turn | None, due: float) -> None:
        """Put a VM into the world as it is, with what happens to it next."""
        self._enter(vm)
        if vm.row.phase is TERMINATED:
            self.vanishing.append((self.at + SHOWN_AFTER_END_S, vm.row.id))
        self._schedule(vm, turn, due)
        self._tell(vm.row)

    def load(self, vms: Iterable[Vm], gone: Iterable[tuple[float, Instance]]) -> None:
        """Put saved VMs back, each with the turn that it had ahead; nothing is told as a change."""
        for vm in vms:
            row = vm.row = self._named(vm.row)
            self._judge(row, None)
            self._enter(vm)
            if vm.turn is not None:
                heapq.heappush(self._heap(vm.turn), (vm.due, vm.seq, vm))
            if row.id not in self.past.entries:
                self.past.record(self.start, row.id, row)
        self.gone.update((row.id, (at, self._named(row))) for at, row in gone)

    def _enter(self, vm: Vm) -> None:
        row = vm.row
        self.vms[row.id] = vm
        self._count(row, 1)
        if row.phase.is_live:
            self.live[row.zone, row.machine_type] += 1

    def _count(self, row: Instance, change: int) -> None:
        self.rows[row.deployment, row.fleet] += change
        self.rows[row.deployment, None] += change

    def _named(self, row: Instance) -> Instance:
        return row if row.cloud == self.spec.name else attrs.evolve(row, cloud=self.spec.name)

    def end(self, vm: Vm) -> None:
        """Begin to end a VM; one that is ending or has ended is left alone."""
        if not vm.row.phase.is_live:
            return
        self.live[vm.row.zone, vm.row.machine_type] -= 1
        terminate_s = HANG_S if vm.fate.delete_hangs else self.spec.capabilities.latencies.terminate_s
        self._schedule(vm, GONE, self.at + terminate_s)
        self.show(vm, TERMINATING, vm.row.kept_until)

    def show(self, vm: Vm, phase: Phase, kept_until: float | None) -> None:
        """Bring a VM's row up to date and tell it as a change."""
        native = self.spec.capabilities.native_health and phase is RUNNING
        health = self._health(vm) if native else UNKNOWN
        vm.row = changed(vm.row, phase=phase, health=health, kept_until=kept_until)
        self._tell(vm.row)

    def relabel(self, vm: Vm, row: Instance) -> None:
        """Exchange a VM's row for one with other labels, as a person might change them."""
        before = self.odd[row.id].before if row.id in self.odd else vm.row
        self._count(vm.row, -1)
        vm.row = row
        self._count(row, 1)
        self._judge(row, before)
        self._tell(row)

    def _judge(self, row: Instance, before: Instance | None) -> None:
        """Note whether a row's labels can be read; what is of no deployment is none of ours anyway."""
        self.odd.pop(row.id, None)
        reason = naming.unreadable(row.fleet, row.revision, row.key, row.inputs, row.previous or "")
        if reason and row.deployment:
            self.odd[row.id] = Odd(reason, before)

    def tell(self, id: InstanceId) -> None:
        """Tell a change of something about a VM that its row doesn't show."""
        self.position += 1
        self.changed.pop(id, None)
        self.changed[id] = self.position

    # -- what can be seen ---------------------------------------------------------------------------------------------

    def probe(self, vm: Vm) -> Health:
        """Return what the VM's service answers now: nothing unless it runs, and a refusal until it serves."""
        if vm.row.phase is not RUNNING or vm.fate.mute:
            return UNKNOWN
        return HEALTHY if self._health(vm) is HEALTHY else UNHEALTHY

    def count_live(self, zone: str | None = None, machine_type: str | None = None) -> int:
        """Count what isn't ending, of a zone and a machine type; None means of all."""
        places = self.live.items()
        return sum(n for (z, t), n in places if zone in (None, z) and machine_type in (None, t))

    def total(self, selector: Selector) -> int:
        """Count the rows that a complete list shows now."""
        return self.rows[selector.deployment, selector.fleet]

    def changed_since(self, position: int) -> Iterator[InstanceId]:
        """Yield the ids that changed after `position`, the last change first."""
        for id, last in reversed(self.changed.items()):
            if last <= position:
                return
            yield id

    def is_remembered(self, id: InstanceId) -> bool:
        """Tell whether an instance is there, or left every list less than a day ago."""
        return id in self.vms or (id in self.gone and self.gone[id][0] + REMEMBERED_S > self.at)

    def prune(self) -> None:
        """Let go of instances that aren't remembered any more."""
        for id in [id for id in self.gone if not self.is_remembered(id)]:
            del self.gone[id]
            self.changed.pop(id, None)

    # -- time ---------------------------------------------------------------------------------------------------------

    def next_at(self, patience_s: float = 0.0) -> float:
        """Return when something will next change by itself, as `Watcher.next_at` tells it; infinity for never."""
        latencies = self.spec.capabilities.latencies
        unheard_s = latencies.ready_s if latencies.boot_s + latencies.ready_s <= patience_s else 0.0
        following = self.weather.next_at
        for heap, later_s in ((self._lives, 0.0), (self._boots, unheard_s)):
            while heap and heap[0][1] != heap[0][2].seq:
                heapq.heappop(heap)
            if heap and heap[0][0] + later_s < following:
                following = heap[0][0] + later_s
        return following

    def advance(self, until: float) -> None:
        """Let time pass and everything happen that is due, in order; backward is ignored."""
        while True:
            first, weather = self._first(), self.weather.next_at
            if first is not None and first[0][0] <= until and first[0][0] < weather:
                due, seq, vm = heapq.heappop(first)
                if vm.seq == seq:
                    self.at = max(self.at, due)
                    self._take_turn(vm)
            elif weather <= until:
                self.at = max(self.at, weather)
                self._show_zones(self.weather.pass_to(weather))
            else:
                break
        self.at = max(self.at, until)
        while self.vanishing and self.vanishing[0][0] <= self.at:
            self._vanish(*self.vanishing.popleft())

    def _first(self) -> list[Ahead] | None:
        """Return the heap with the turn that is due first, None if nothing is ahead."""
        first = None
        for heap in self._heaps:
            if heap and (first is None or heap[0] < first[0]):
                first = heap
        return first

    def _vanish(self, at: float, id: InstanceId) -> None:
        row = self.vms.pop(id).row
        self.odd.pop(id, None)
        self._count(row, -1)
        self.gone[id] = (at, row)
        self.past.record(at, id, None)

    def _heap(self, turn: Turn) -> list[Ahead]:
        return self._ends if turn is GONE else self._boots if turn is BOOT else self._lives

    def _schedule(self, vm: Vm, turn: Turn | None, due: float) -> None:
        self.seq += 1
        vm.turn, vm.due, vm.seq = turn, due, self.seq
        if turn is not None:
            heapq.heappush(self._heap(turn), (due, self.seq, vm))

    def _take_turn(self, vm: Vm) -> None:
        row, turn = vm.row, vm.turn
        vm.turn = None
        if turn is BOOT or turn is RUN:
            if vm.script:
                self._run(vm)
            elif not (vm.fate.never_ready or vm.fate.mute):
                self._schedule(vm, WELL, self.at + self.spec.capabilities.latencies.ready_s)
            self.show(vm, RUNNING, row.kept_until)
        elif turn is STOP:
            self.show(vm, STOPPED, row.kept_until)
        elif turn is GONE:
            self.vanishing.append((self.at + SHOWN_AFTER_END_S, row.id))
            self.show(vm, TERMINATED, row.kept_until)
        else:
            vm.own = HEALTHY if turn is WELL else UNHEALTHY
            self._plan_illness(vm)
            self.show(vm, row.phase, row.kept_until)

    def _run(self, vm: Vm) -> None:
        if powers_off(vm.script) and not vm.fate.never_ready:
            self._schedule(vm, STOP, self.at + self.spec.capabilities.latencies.build_s)

    def _plan_illness(self, vm: Vm) -> None:
        if vm.own is HEALTHY:
            if vm.fate.dies_after_s is not None:
                self._schedule(vm, SICK, self.at + vm.fate.dies_after_s)
            elif vm.flaps:
                self._schedule(vm, SICK, self.at + FLAP_WELL_S)
        elif vm.flaps:
            vm.flaps -= 1
            self._schedule(vm, WELL, self.at + FLAP_SICK_S)

    def calm_down(self) -> None:
        """End every fault for good; the fates of instances stay."""
        out, self.faults = self.weather.out, NONE
        self.weather = Weather(NONE, self.spec.zones, start=self.start, at=self.at)
        self._show_zones(out)

    def _show_zones(self, zones: frozenset[str]) -> None:
        for vm in self.vms.values() if zones else ():
            if vm.row.zone in zones and vm.row.phase is RUNNING:
                self.show(vm, RUNNING, vm.row.kept_until)

    def _health(self, vm: Vm) -> Health:
        return UNHEALTHY if vm.row.zone in self.weather.out else vm.own

    def _tell(self, row: Instance) -> None:
        self.tell(row.id)
        if self.past.kept_s:
            self.past.record(self.at, row.id, row)
