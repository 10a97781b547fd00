"""What the commands call, in one place: a test hands in another. Everything is imported when it is called."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmpattern.access import StopSwitch
    from vmpattern.bakery import Pruned
    from vmpattern.driver import Driver, DriverFactory
    from vmpattern.forecast.doctor import Check
    from vmpattern.model import BakeOutcome, Cloud, Deployment, Event, InstanceId, Observation, Outcome, Plan
    from vmpattern.planner import ImageUse
    from vmpattern.planner.survey import FleetSurvey


class Engine:
    """The library as the command line sees it."""

    def load(self, path: Path) -> "Deployment":
        """Read a deployment's file."""
        from vmpattern.specfile import load

        return load(path)

    def starter(self, driver: str) -> str:
        """Return the text of a starter file."""
        from vmpattern.specfile.starters import starter

        return starter(driver)

    def observe(self, deployment: "Deployment", *, check: bool = True) -> "Observation":
        """Read the clouds; with `check`, ask the drivers what is bound to fail, and for the account's limits."""
        from vmpattern.operations import observe

        return observe(deployment, check=check)

    def plan(
        self, deployment: "Deployment", observation: "Observation", *, fleets: Sequence[str], refresh: bool
    ) -> "Plan":
        """Forecast an apply of these fleets, or of all when empty."""
        from vmpattern.operations import plan

        return plan(deployment, observation, fleets=fleets, refresh=refresh)

    def apply(self, plan: "Plan", *, on_event: "Callable[[Event], None]", stop: "StopSwitch") -> "Outcome":
        """Carry out a plan; blocks."""
        from vmpattern.operations import apply

        return apply(plan, on_event=on_event, stop=stop)

    def bake(
        self,
        deployment: "Deployment",
        services: Sequence[str],
        *,
        refresh: bool,
        smoke: bool,
        keep_builder: bool,
        on_event: "Callable[[Event], None]",
        stop: "StopSwitch",
    ) -> "BakeOutcome":
        """Bake the images of services; blocks."""
        from vmpattern.operations import bake

        return bake(
            deployment,
            services,
            refresh=refresh,
            smoke=smoke,
            keep_builder=keep_builder,
            on_event=on_event,
            stop=stop,
        )

    def images(self, deployment: "Deployment", *, keep: int) -> "tuple[tuple[ImageUse, ...], Observation]":
        """List the images, and what each is needed for."""
        from vmpattern.operations import images

        return images(deployment, keep=keep)

    def prune(self, deployment: "Deployment", *, keep: int) -> "Pruned":
        """Delete the images that nothing needs."""
        from vmpattern.operations import prune

        return prune(deployment, keep=keep)

    def end_builders(self, deployment: "Deployment") -> "tuple[InstanceId, ...]":
        """End every builder of the deployment."""
        from vmpattern.operations import end_builders

        return end_builders(deployment)

    def survey(self, deployment: "Deployment", observation: "Observation") -> "Mapping[str, FleetSurvey]":
        """Judge every instance against what is desired."""
        from vmpattern.operations import survey

        return survey(deployment, observation)

    def check_up(self, deployment: "Deployment", *, fleets: Sequence[str]) -> "Iterator[Check]":
        """Ask what a plan would be refused for, and whether the clouds answer."""
        from vmpattern.operations import check_up

        return check_up(deployment, self.connect, fleets=fleets)

    def connect(self, cloud: "Cloud") -> "AbstractContextManager[Driver]":
        """Make a cloud's driver."""
        from vmpattern.driver import connect

        return connect(cloud)

    def drivers(self) -> tuple[str, ...]:
        """Return the names of the installed drivers."""
        from vmpattern.driver import drivers

        return drivers()

    def driver(self, name: str) -> "DriverFactory[object]":
        """Load a driver by name."""
        from vmpattern.driver import load

        return load(name)
