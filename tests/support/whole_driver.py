"""A driver over the simulated cloud that keeps the contract, made to be broken: an override is one mistake."""

import contextlib
import copy
from collections.abc import Callable, Mapping, Sequence

import attrs
from immutabledict import immutabledict

from vmpattern.driver import CaptureRequest, Clock, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import (
    DriverError,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    QuotaExceeded,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
)
from vmpattern.model import Capabilities, Image, ImageId, Instance, InstanceId, MachineType, Market
from vmpattern.simulation import EC2_LIKE, CloudSpec, SimulatedCloud
from vmpattern.testing import Fault, Kit, Recorded
from vmpattern.testing.bench import Bench

SOMEBODY = "somebody"
"""The deployment of a VM that in this cloud stands for one without our labels."""

QUOTA = 1000
"""The most instances in the account: more than any check launches."""

CAN = attrs.evolve(
    EC2_LIKE,
    max_batch=3,
    max_terminate=3,
    page_size=3,
    call_timeout_s=0.5,
    markets=frozenset({Market.ON_DEMAND}),
    budgets=immutabledict(),
)


@attrs.define
class Place:
    """A cloud, and what a broken driver keeps there beside it."""

    cloud: SimulatedCloud
    notes: dict[str, object] = attrs.field(factory=dict)
    elsewhere: "Place | None" = None


class WholeDriver:
    """Keeps the contract. The first request suffers `fault`."""

    name = "whole"
    pace = 0.0

    def __init__(self, place: Place, fault: Fault | None = None) -> None:
        self.place = place
        self.cloud = place.cloud
        self.fault = fault

    @property
    def capabilities(self) -> Capabilities:
        return self.cloud.capabilities

    @property
    def clock(self) -> Clock:
        return self.cloud.clock

    def advance(self, until: float) -> None:
        self.cloud.advance(until)

    # -- the cloud's API, with its faults -----------------------------------------------------------------------------

    def request(self, call: Callable[[], object]) -> object:
        """Send one request that changes something."""
        fault, self.fault = self.fault, None
        if fault is Fault.THROTTLED:
            raise Throttled("slow down")
        if fault in (Fault.LOST_BEFORE, Fault.SILENCE):
            raise OutcomeUnknown("no reply")
        answer = call()
        if fault is Fault.LOST_AFTER:
            raise OutcomeUnknown("no reply")
        return answer

    def page(self, selector: Selector, number: int) -> tuple[Instance, ...]:
        """Read one page of a list."""
        fault, self.fault = self.fault, None
        if fault is Fault.THROTTLED:
            raise Throttled("slow down")
        rows, size = self.cloud.instances(selector), self.capabilities.page_size
        if fault is not None and (number > 0 or len(rows) <= size):
            raise Transient("an internal error")
        self.fault = fault
        return rows[number * size : (number + 1) * size]

    # -- the verbs ----------------------------------------------------------------------------------------------------

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        rows, number = [], 0
        while page := self.page(selector, number):
            rows += page
            number += 1
        return tuple(rows)

    def launch(self, request: LaunchRequest) -> LaunchReport:
        report = self.request(lambda: self.cloud.launch(request))
        assert isinstance(report, LaunchReport)
        return report

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        strangers = {row.id for row in self.cloud.instances(Selector(SOMEBODY))}
        self.request(lambda: self.cloud.terminate([id for id in ids if id not in strangers]))

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        self.request(lambda: self.cloud.label(ids, labels))

    def images(self, selector: Selector) -> tuple[Image, ...]:
        return self.cloud.images(selector)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        self.cloud.delete_images(ids)

    def machine_types(self) -> tuple[MachineType, ...]:
        return self.cloud.machine_types()

    def close(self) -> None:
        pass

    # -- what it offers besides ---------------------------------------------------------------------------------------

    def scope(self) -> str:
        return str(id(self.place))

    def check(self, requests, balancer):
        return self.cloud.check(requests, balancer)

    def limits(self):
        return self.cloud.limits()

    def probe(self, ids, check):
        return self.cloud.probe(ids, check)

    def members(self, balancer):
        return self.cloud.members(balancer)

    def register(self, balancer, ids) -> None:
        self.request(lambda: self.cloud.register(balancer, ids))

    def deregister(self, balancer, ids) -> None:
        self.request(lambda: self.cloud.deregister(balancer, ids))

    def console(self, instance: InstanceId) -> str:
        return self.cloud.console(instance)

    def usage(self, ids):
        return self.cloud.usage(ids)

    def resolve(self, base: str) -> ImageId:
        return self.cloud.resolve(base)

    def mark_verified(self, image: ImageId) -> None:
        self.request(lambda: self.cloud.mark_verified(image))

    def capture(self, request: CaptureRequest) -> ImageId:
        return self.request(lambda: self.cloud.capture(request))

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        self.place.notes[name] = data
        return f"whole:{name}"

    def unstage(self, names: Sequence[str]) -> None:
        for name in names:
            self.place.notes.pop(name, None)

    # -- answers of the provider --------------------------------------------------------------------------------------

    def classify(self, code: str) -> DriverError:
        """Make an error of the provider's code for a small instance in zone a."""
        if code == "StockOut":
            scope = Scope(ScopeKind.MACHINE_TYPE, zone="a", machine_type="small")
            return OutOfCapacity("no small one left in a", code=code, scope=scope)
        return QuotaExceeded("the limit is reached", code=code, scope=Scope(ScopeKind.ACCOUNT))


class WholeKit(Kit):
    """Checks a `WholeDriver`, or what was made of it."""

    zone = "a"
    machine_type = "small"
    image = ImageId("img-1")
    settle_s = 120.0
    examples: int | None = 10
    may_cost = False
    balancer = immutabledict(name="front")
    deaf = ImageId("img-deaf")
    base = "debian-13"
    made: type[WholeDriver] = WholeDriver
    can: Capabilities = CAN

    def __init__(self, made: type[WholeDriver] = WholeDriver, can: Capabilities = CAN) -> None:
        self.made = made
        spec = CloudSpec(name=self.cloud, capabilities=can, bad_images=frozenset({self.deaf}), quota=QUOTA)
        near, far = (Place(SimulatedCloud(spec)) for _ in range(2))
        near.elsewhere, far.elsewhere = far, near
        self.place = near

    def connect(self) -> WholeDriver:
        return self.made(self.place)

    def connect_with(self, fault: Fault) -> WholeDriver:
        return self.made(self.place, fault)

    def plant_stranger(self, request: LaunchRequest) -> InstanceId:
        return self.stranger(request)

    def stranger(self, request: LaunchRequest) -> InstanceId:
        (row,) = self.place.cloud.launch(attrs.evolve(request, deployment=SOMEBODY)).created
        return row.id

    def stranger_lives(self, id: InstanceId) -> bool:
        rows = self.place.cloud.instances(Selector(SOMEBODY))
        return any(row.id == id and row.phase.is_live for row in rows)

    def relabel(self, id: InstanceId, name: str, value: str) -> None:
        with contextlib.suppress(NotFound):
            self.place.cloud.relabel(id, name, value)

    def elsewhere(self) -> "WholeKit":
        other = copy.copy(self)
        assert self.place.elsewhere is not None
        other.place = self.place.elsewhere
        return other

    def plant_image(self) -> ImageId:
        cloud = self.place.cloud
        builder = self.stranger(Bench(self, "image").request(script=self.script))
        cloud.advance(cloud.clock.now() + self.settle_s)
        image = cloud.capture(CaptureRequest(builder=builder, deployment="", service="", digest="", base=self.image))
        cloud.terminate([builder])
        return image

    def image_lives(self, id: ImageId) -> bool:
        return id in {image.id for image in self.place.cloud.images(Selector(""))}

    def fetch(self, url: str) -> bytes | None:
        return self.place.notes.get(url.removeprefix("whole:"))

    def recorded(self) -> Sequence[Recorded]:
        def replay(code: str) -> Callable[[], object]:
            def raising() -> object:
                raise self.connect().classify(code) from LookupError(code)

            return raising

        return (
            Recorded(name="StockOut", replay=replay("StockOut"), error=OutOfCapacity, scope=ScopeKind.MACHINE_TYPE),
            Recorded(name="LimitReached", replay=replay("LimitReached"), error=QuotaExceeded, scope=ScopeKind.ACCOUNT),
        )
