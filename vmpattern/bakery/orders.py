"""From bakes to orders: a recipe's files are read and packed now, and must still be what was planned."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import attrs

from vmpattern import naming
from vmpattern.access.requests import resolved_env
from vmpattern.bakery.order import Order, SmokeTest
from vmpattern.errors import Refused, SpecError, StalePlan
from vmpattern.model import Bake, Capabilities, Deployment, Recipe, RemoteFile
from vmpattern.planner import recipe_name
from vmpattern.recipe import contents_of
from vmpattern.recipe.payload import pack

DEADLINE_S = 1800.0


@attrs.frozen(kw_only=True)
class Policy:
    """How to bake: how long a builder may take, whether a failed one is kept, and whether images are smoke tested."""

    deadline_s: float = DEADLINE_S
    keep_builder: bool = False
    smoke: bool = False


def orders_of(
    deployment: Deployment, bakes: Sequence[Bake], capabilities: Mapping[str, Capabilities], policy: Policy
) -> list[Order]:
    """Return an order for each bake; `capabilities` are by cloud.

    Raises:
        StalePlan: files have changed since the bakes were planned.
        Refused: files can't be read any more, or a smoke test's secret can't be had.
    """
    directory = Path(deployment.directory)
    contents = contents_of(deployment) if bakes else {}
    packed: dict[str, bytes] = {}
    orders: list[Order] = []
    for bake in bakes:
        recipe = deployment.services[bake.service].image
        assert isinstance(recipe, Recipe), "only recipes are baked"
        try:
            if bake.service not in packed:
                packed[bake.service] = pack(recipe, directory, field=f"services.{bake.service}.image")
        except (SpecError, OSError) as error:
            raise Refused(f"the files of {bake.service} can't be read, so nothing was touched: {error}") from error
        now = recipe_name(recipe, bake.cloud, contents[bake.service])
        if not naming.is_of_recipe(bake.digest, now.digest):
            raise StalePlan(f"the recipe of {bake.service} has changed since the plan was made: make a new plan")
        orders.append(
            Order(
                bake=bake,
                payload=packed[bake.service],
                remote={path: file for path, file in recipe.files.items() if isinstance(file, RemoteFile)},
                variables=recipe.variables,
                run=recipe.run,
                shebang=_has_shebang(recipe, directory),
                script_bytes=capabilities[bake.cloud].script_bytes,
                deadline_s=policy.deadline_s,
                keep_builder=policy.keep_builder,
                smoke=_smoke_test(deployment, bake) if policy.smoke else None,
            )
        )
    return orders


def _smoke_test(deployment: Deployment, bake: Bake) -> SmokeTest:
    service = deployment.services[bake.service]
    env = resolved_env(service, deployment.directory)
    return SmokeTest(env=env, port=service.port, check=service.health)


def _has_shebang(recipe: Recipe, directory: Path) -> bool:
    return recipe.provision is not None and (directory / recipe.provision).read_bytes()[:2] == b"#!"
