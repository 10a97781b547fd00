"""Plans and applies on simulated clouds: observe, forecast and carry out without files, locks or real time."""

from collections.abc import Callable, Mapping

from situations import deployment

from vmpattern.access import Session, VirtualRuntime, read_clouds
from vmpattern.driver import Driver, Selector
from vmpattern.forecast import plan
from vmpattern.model import Capabilities, Deployment, Event, Fleet, Instance, Observation, Outcome, Plan
from vmpattern.reconcile import FleetOrder, carry_out
from vmpattern.simulation import EC2_LIKE, CloudSpec, Faults, SimulatedCloud


def never() -> bool:
    """Ask nobody to stop."""
    return False


class Stage:
    """One or more simulated clouds, and the events of the last apply."""

    def __init__(
        self, *names: str, faults: Faults | None = None, capabilities: Capabilities = EC2_LIKE, **spec: object
    ) -> None:
        self.clouds = {
            name: SimulatedCloud(
                CloudSpec(name=name, capabilities=capabilities, **spec),  # type: ignore[arg-type]
                faults=faults or Faults(),
            )
            for name in names or ("demo",)
        }
        self.events: list[Event] = []

    @property
    def cloud(self) -> SimulatedCloud:
        """The first cloud."""
        return next(iter(self.clouds.values()))

    def deployment(self, *fleets: Fleet, image: str = "img-1") -> Deployment:
        """Return a deployment of these fleets in these clouds."""
        return deployment(*fleets, image=image, clouds=tuple(self.clouds))

    def observe(self, wanted: Deployment) -> Observation:
        """Read the clouds as they are, whatever the drivers of an apply make of them."""
        return read_clouds(wanted, self.session())

    def session(self, drivers: Mapping[str, Driver] | None = None) -> Session:
        """Return a session in virtual time over these clouds, by other drivers where some are given."""
        clocks = tuple(self.clouds.values())
        runtime = VirtualRuntime(max(cloud.clock.now() for cloud in clocks), clocks)
        return Session({**self.clouds, **(drivers or {})}, runtime)

    def plan(self, wanted: Deployment) -> Plan:
        """Forecast what an apply would do."""
        return plan(wanted, self.observe(wanted))

    def apply(
        self,
        wanted: Deployment,
        *,
        drivers: Mapping[str, Driver] | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        stop: Callable[[], bool] = never,
        made: Plan | None = None,
    ) -> Outcome:
        """Carry out a plan in virtual time, by other drivers where some are given."""
        made = made or self.plan(wanted)
        orders = [
            FleetOrder(fleet=fleet, slots=made.fleets[name].slots, named=frozenset(made.fleets[name].terminates))
            for name, fleet in made.deployment.fleets.items()
        ]
        self.events.clear()

        def tell(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        return carry_out(made.deployment, orders, self.session(drivers), on_event=tell, stop=stop)

    def live(self, fleet: str | None = None) -> list[Instance]:
        """Return what lives in all clouds, of one fleet or of all."""
        rows = [row for cloud in self.clouds.values() for row in cloud._world.vms.values()]
        selected = Selector("shop", fleet)
        return [vm.row for vm in rows if vm.row.phase.is_live and selected.matches(vm.row)]
