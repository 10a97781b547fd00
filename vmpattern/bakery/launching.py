"""Launching one VM that has to do with a bake, or adopting the one that its key or its labels name."""

from collections.abc import Callable, Mapping

import attrs
from immutabledict import immutabledict

from vmpattern import naming
from vmpattern.access.tasks import Task
from vmpattern.bakery.desk import Desk
from vmpattern.bakery.order import BUILD, SMOKE, BakeFailed, Order, is_for, label, nonce_of
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import KeyConflict, KeySpent, OutcomeUnknown
from vmpattern.model import BuildSite, EventKind, ImageId, Instance, LaunchKey, Market, Revision

MOST_ATTEMPTS = 20


def obtained(
    desk: Desk,
    order: Order,
    site: BuildSite,
    *,
    image: ImageId,
    purpose: str,
    script: Callable[[str], str] = lambda nonce: "",
    env: Mapping[str, str] = immutabledict(),
    port: int | None = None,
) -> Task[Instance]:
    """Launch one VM that has to do with the bake, or adopt what its key names.

    A key that came with another request is another job's, or this one's from before: what was launched under it is
    looked for until a list must show it. That is done once, since all that is older is shown then.

    Args:
        script: makes the script from the nonce; none, and the VM runs the service.

    Raises:
        BakeFailed: too many keys are spent.
        DriverError: the cloud has no room, or doesn't do what was asked.
    """
    attempt, has_waited, refused = 0, False, ""
    for _ in range(MOST_ATTEMPTS):
        key = _key(desk, order, site, image=image, attempt=attempt, also=(purpose, sorted(env), port))
        request = attrs.evolve(_request(desk, order, site, key), image=image, env=env, port=port)
        request = attrs.evolve(
            request, inputs=label(purpose, order.bake.service, desk.job), script=script(nonce_of(key))
        )
        try:
            row = yield from _launched(desk, request)
            if row is None:
                row = yield from visible(desk, order, purpose, image=image)
        except KeySpent:
            attempt += 1
            continue
        except KeyConflict as conflict:
            refused = str(conflict)
            row = yield from visible(desk, order, purpose, image=image, wait=not has_waited)
            has_waited = True
            if row is None:
                text = f"{order.bake.service}: what was launched under the key {key} is gone: takes another key"
                desk.tell(EventKind.BAKING, text)
                attempt += 1
        if row is not None:
            return row
    raise BakeFailed(f"no builder could be launched in {MOST_ATTEMPTS} attempts{refused and f': {refused}'}")


def visible(
    desk: Desk, order: Order, purpose: str, *, image: ImageId | None = None, wait: bool = True
) -> Task[Instance | None]:
    """Look for what was launched before, this job's own first, until a list must show it.

    Another job's smoke test isn't taken over: its environment may be another one.

    Args:
        image: what it has to run from, except for a builder, whose base may have moved meanwhile.
        wait: look until a list must show it; otherwise once.
    """
    until = desk.now() + (desk.certain_s if wait else 0.0)
    while True:
        crew = yield from desk.crew(order.bake.digest)
        fitting = [row for row in crew if is_for(row, purpose) and (purpose == BUILD or image in (None, row.image))]
        found = [row for row in fitting if desk.is_own(row)] or ([] if purpose == SMOKE else fitting)
        if found or desk.now() >= until:
            return next(iter(found), None)
        yield from desk.sleep(min(desk.poll_s, until - desk.now()))


def _launched(desk: Desk, request: LaunchRequest) -> Task[Instance | None]:
    """Send a launch of one; None where nothing is known of what became of it."""
    try:
        report: LaunchReport = yield from desk.launch(request)
    except OutcomeUnknown:
        return None
    if report.failures:
        raise report.failures[0]
    return next(iter((*report.created, *report.adopted)), None)


def _request(desk: Desk, order: Order, site: BuildSite, key: LaunchKey) -> LaunchRequest:
    bake = order.bake
    return LaunchRequest(
        key=key,
        count=1,
        deployment=desk.deployment,
        fleet=naming.BUILDERS,
        revision=Revision(bake.digest),
        zone=site.zone,
        machine_type=site.machine_type,
        market=Market.ON_DEMAND,
        image=bake.resolved,
        disk_gib=bake.disk_gib,
        options=site.options,
    )


def _key(
    desk: Desk, order: Order, site: BuildSite, *, image: ImageId, attempt: int, also: tuple[object, ...]
) -> LaunchKey:
    """Return a key that is the same for every job: jobs that ask for the same at the same time get one VM.

    All that is written of the request is in it, `also` what only some of them have.
    """
    scope = naming.KeyScope(
        deployment=desk.deployment,
        fleet=naming.BUILDERS,
        revision=Revision(order.bake.digest),
        cloud=desk.cloud,
        zone=site.zone,
        machine_type=site.machine_type,
        market=Market.ON_DEMAND.value,
        image=image,
        inputs=naming.digest(order.bake.service, order.bake.disk_gib, site.options, *also),
    )
    return naming.launch_key(scope, count=1, visible=0, attempt=attempt)
