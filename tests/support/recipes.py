"""Deployments that are baked: a recipe's files in a folder, simulated clouds, and bakes in virtual time."""

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
from hands import Listed
from situations import deployment, fleet

from vmpattern import naming
from vmpattern.access import Session, VirtualRuntime, read_clouds
from vmpattern.bakery import Policy, bake_all
from vmpattern.driver import CaptureRequest, Driver, Selector
from vmpattern.forecast import plan
from vmpattern.model import (
    Bake,
    BakeOutcome,
    Cloud,
    Deployment,
    Event,
    Image,
    ImageId,
    Instance,
    InstanceId,
    Observation,
    Outcome,
    Plan,
    Recipe,
)
from vmpattern.operations import apply_in
from vmpattern.planner import bakes
from vmpattern.simulation import EC2_LIKE, CloudSpec, Faults, SimulatedCloud
from vmpattern.simulation.faults import NONE

RECIPE = Recipe(
    base={"": "debian-12"}, run="/opt/serve --port $PORT", provision="provision.sh", files={"/opt/serve": "serve"}
)


def never() -> bool:
    """Ask nobody to stop."""
    return False


class Crash(BaseException):
    """The process dies."""


class Dying:
    """A driver whose process dies before or after one of its calls."""

    def __init__(self, cloud: object, *, at: int, before: bool) -> None:
        self._cloud, self._left, self._before = cloud, at, before

    def __getattr__(self, name: str) -> object:
        found = getattr(self._cloud, name)
        if not callable(found) or name in ("advance", "next_at"):
            return found

        def call(*words: object, **more: object) -> object:
            self._left -= 1
            if self._left == 0 and self._before:
                raise Crash
            answer = found(*words, **more)
            if self._left == 0:
                raise Crash
            return answer

        return call


class Oven:
    """A folder with a recipe's files, and one or more simulated clouds in which it is baked."""

    def __init__(
        self, folder: Path, *names: str, faults: Faults = NONE, recipe: Recipe = RECIPE, **can: object
    ) -> None:
        self.folder = folder
        self.recipe = recipe
        capabilities = attrs.evolve(EC2_LIKE, **can)  # type: ignore[arg-type]
        self.clouds = {
            name: SimulatedCloud(CloudSpec(name=name, capabilities=capabilities), faults=faults)
            for name in names or ("demo",)
        }
        self.events: list[Event] = []
        self.write("serve", "#!/bin/sh\n")
        self.write("provision.sh", "echo provisions\n")

    @property
    def cloud(self) -> SimulatedCloud:
        """The first cloud."""
        return next(iter(self.clouds.values()))

    def write(self, name: str, text: str) -> None:
        """Write a file of the recipe."""
        (self.folder / name).write_text(text, "utf-8")

    def deployment(self, size: int = 3) -> Deployment:
        """Return a deployment of one fleet of the service that is baked."""
        wanted = deployment(fleet(size, clouds=tuple(self.clouds)), clouds=tuple(self.clouds))
        services = {"shop": attrs.evolve(wanted.services["shop"], image=self.recipe)}
        clouds = {name: Cloud(name=name, driver="memory", directory=str(self.folder)) for name in self.clouds}
        return attrs.evolve(wanted, clouds=clouds, services=services)

    def observe(self) -> Observation:
        """Read the clouds and the files, with patience for a cloud that is in trouble."""
        return read_clouds(self.deployment(), self.session(), most_attempts=50)

    def session(self, drivers: Mapping[str, Driver] | None = None) -> Session:
        """Return a session in virtual time over these clouds, by other drivers where some are given."""
        clocks = tuple(self.clouds.values())
        runtime = VirtualRuntime(max(cloud.clock.now() for cloud in clocks), clocks)
        return Session({**self.clouds, **(drivers or {})}, runtime)

    def bakes(self, *, refresh: bool = False) -> tuple[Bake, ...]:
        """Return what is to be baked."""
        return bakes(self.deployment(), self.observe(), services=["shop"], refresh=refresh)

    def bake(
        self,
        *,
        refresh: bool = False,
        drivers: Mapping[str, Driver] | None = None,
        policy: Policy | None = None,
        on_event: Callable[[Event], None] = lambda event: None,
        stop: Callable[[], bool] = never,
        planned: tuple[Bake, ...] | None = None,
        job: str = "job-1",
    ) -> BakeOutcome:
        """Bake whatever is to be baked, in virtual time, by other drivers where some are given."""
        self.events.clear()

        def tell(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        return bake_all(
            self.deployment(),
            self.bakes(refresh=refresh) if planned is None else planned,
            self.session(drivers),
            policy=policy or Policy(),
            tell=tell,
            stop=stop,
            locks=self.folder / f"locks-{job}",
            job=job,
        )

    def plan(self) -> Plan:
        """Forecast an apply."""
        return plan(self.deployment(), self.observe())

    def apply(self, *, drivers: Mapping[str, Driver] | None = None, job: str = "job-1") -> Outcome:
        """Plan, and apply what was planned, in virtual time."""
        return apply_in(self.session(drivers), self.plan(), locks=self.folder / f"locks-{job}")

    def images(self) -> list[Image]:
        """Return every image in every cloud, whatever lists show."""
        return [cloud._images._now(row) for cloud in self.clouds.values() for row in cloud._images.rows.values()]

    def builders(self) -> list[Instance]:
        """Return what was launched to bake and lives."""
        rows = [vm.row for cloud in self.clouds.values() for vm in cloud._world.vms.values()]
        selected = Selector("shop", naming.BUILDERS)
        return [row for row in rows if row.phase.is_live and selected.matches(row)]

    def staged(self) -> set[str]:
        """Return the names of the data that is staged."""
        return {name for cloud in self.clouds.values() for name in cloud._images.staged}


class Baking(Listed):
    """A bare driver that bakes; `after` has what comes between a verb's effect and its answer."""

    def __init__(self, cloud: SimulatedCloud, *, after: dict | None = None, capabilities=None) -> None:
        steps = after or {}
        super().__init__(
            cloud,
            after=lambda verb, answer: steps[verb](verb, answer) if verb in steps else answer,
            capabilities=capabilities,
        )

    def resolve(self, base: str) -> ImageId:
        return self._call("resolve", base, lambda: self.cloud.resolve(base))

    def capture(self, request: CaptureRequest) -> ImageId:
        return self._call("capture", request, lambda: self.cloud.capture(request))

    def mark_verified(self, image: ImageId) -> None:
        self._call("mark_verified", image, lambda: self.cloud.mark_verified(image))

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        return self._call("stage", name, lambda: self.cloud.stage(name, data, lifetime_s=lifetime_s))

    def unstage(self, names) -> None:
        self._call("unstage", tuple(names), lambda: self.cloud.unstage(names))

    def console(self, instance: InstanceId) -> str:
        return self._call("console", instance, lambda: self.cloud.console(instance))

    def images(self, selector):
        return self._call("images", selector, lambda: self.cloud.images(selector))

    def delete_images(self, ids) -> None:
        self._call("delete_images", tuple(ids), lambda: self.cloud.delete_images(ids))


def noise(size: int) -> str:
    return "".join(naming.digest(number, size=64) for number in range(size // 64))
