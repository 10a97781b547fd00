"""What drivers said of launches before any: a plan that would launch what is bound to fail is refused. Pure."""

from collections.abc import Collection, Iterator, Mapping

from vmpattern.errors import SpecError
from vmpattern.model import FleetCheck, FleetPlan, Observation


def checks_of(observation: Observation, fleets: Collection[str]) -> Iterator[FleetCheck]:
    """Yield what was said of these fleets, cloud by cloud."""
    for cloud in observation.clouds.values():
        yield from (check for check in cloud.checks if check.fleet in fleets)


def refuse_failing(plans: Mapping[str, FleetPlan], observation: Observation) -> None:
    """Refuse plans that launch what a driver says is bound to fail; a fleet that launches nothing may have problems.

    Raises:
        SpecError: every such problem, each once.
    """
    launching = [name for name, plan in plans.items() if plan.create or plan.replace]
    problems = [problem for check in checks_of(observation, launching) for problem in check.problems]
    if problems:
        raise SpecError(tuple(dict.fromkeys(problems)))
