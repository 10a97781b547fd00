"""The environments of the fleets of an apply: complete for each that may launch, or the reason why it never does."""

from collections.abc import Mapping

import attrs
from immutabledict import immutabledict

from vmpattern.access.requests import resolved_env
from vmpattern.errors import Refused
from vmpattern.model import Plan


@attrs.frozen(kw_only=True)
class Environment:
    """A service's environment with its secrets; `lacks` says which one can't be had, and then nothing is launched."""

    values: Mapping[str, str] = attrs.field(repr=False)
    lacks: str = ""


NOTHING = Environment(values=immutabledict())


def environments(plan: Plan) -> Mapping[str, Environment]:
    """Resolve the environment of every fleet that may launch, by its name; each service's is read once.

    A fleet that the plan doesn't change may launch as well: where an instance dies meanwhile, its successor needs it.

    Raises:
        Refused: a secret can't be had, and the plan launches for a fleet that needs it; the text names the variable and
            the reference, never a value.
    """
    deployment = plan.deployment
    known: dict[tuple[str, str], Environment] = {}
    found: dict[str, Environment] = {}
    for name, fleet in deployment.fleets.items():
        directory = deployment.clouds[fleet.placements[0].cloud].directory
        about = (fleet.service, directory)
        if fleet.size and about not in known:
            try:
                known[about] = Environment(values=resolved_env(deployment.services[fleet.service], directory))
            except Refused as refused:
                known[about] = Environment(values=immutabledict(), lacks=f"{refused}, so nothing is launched")
        found[name] = known[about] if fleet.size else NOTHING
        if found[name].lacks and (plan.fleets[name].create or plan.fleets[name].replace):
            raise Refused(f"{found[name].lacks} for {name}: no fleet was touched")
    return found
