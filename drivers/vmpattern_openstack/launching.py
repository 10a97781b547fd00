"""One launch: what it names is looked up, its servers are created, and a list tells what came of it."""

from collections.abc import Callable, Mapping, Sequence

import attrs

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, Invalid, NotFound, OutcomeUnknown, SpecError, Unsupported
from vmpattern.model import Instance, Market, Mislabelled
from vmpattern_openstack import floating, servers
from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Calls
from vmpattern_openstack.catalog import Catalog
from vmpattern_openstack.checking import placement_options
from vmpattern_openstack.errors import unlaunchable
from vmpattern_openstack.options import PlacementOptions


def looked_up(calls: Calls, catalog: Catalog, request: LaunchRequest) -> tuple[PlacementOptions, servers.Found]:
    """Return a launch's options, and by id what it names.

    Raises:
        Invalid: an option can't be, or something isn't there; says in which field.
    """
    try:
        options = placement_options(request)
    except SpecError as error:
        raise Invalid(str(error), code="BadOption", field=error.problems[0].path) from None
    return options, catalog.find(calls, request, options)


def create(calls: Calls, catalog: Catalog, request: LaunchRequest) -> Sequence[DriverError]:
    """Ask Nova for all servers of a launch; it answers before it has looked for hosts.

    Returns: an error for each server that wasn't created after others were.

    Raises:
        Unsupported: the market isn't there.
        Invalid: it can never work; says in which field.
    """
    if request.market is not Market.ON_DEMAND:
        raise Unsupported(f"OpenStack has no market {request.market.value}", code="NoMarket", field="market")
    options, found = looked_up(calls, catalog, request)
    body = servers.create_body(request, options, found)

    def ask(body: Mapping[str, object]) -> None:
        try:
            calls.change("compute", "POST", "/servers", body, version=servers.microversion(options))
        except (Invalid, NotFound) as error:
            # A name may have got another id since it was looked up.
            catalog.forget()
            raise unlaunchable(error) from error.__cause__

    if found.floating_network is None:
        ask(body)
        return ()
    ports = floating.attach(calls, request, found)
    alone = attrs.evolve(request, count=1)
    for place, port in enumerate(ports):
        try:
            ask(servers.create_body(alone, options, attrs.evolve(found, port=port)))
        except DriverError as error:
            unknown = isinstance(error, OutcomeUnknown)  # then there may be a server, which needs its port
            floating.release(calls, ports[place + unknown :])
            if unknown or not place:
                raise
            return [error] * (len(ports) - place)
    return ()


def report(
    calls: Calls,
    request: LaunchRequest,
    refused: Sequence[DriverError],
    rows: Callable[[], Sequence[Server]],
    instance: Callable[[Server], Instance | Mislabelled],
) -> LaunchReport:
    """Return what came of a launch that Nova accepted; what its list doesn't show yet is unknown.

    Args:
        refused: an error for each server that Nova didn't accept.

    Raises:
        OutcomeUnknown: the list failed; the servers are there all the same.
    """
    try:
        found = servers.of_key(rows(), request)
    except DriverError as error:
        text = f"Nova accepted it, and what it made couldn't be listed: {error}"
        raise OutcomeUnknown(text, code="NotListed", scope=error.scope) from error
    count = request.count - len(refused)
    failed = [row for row in found if row.status == servers.ERROR][:count]
    made = [instance(row) for row in found if row.status != servers.ERROR]
    created = tuple(row for row in made if isinstance(row, Instance))[: count - len(failed)]
    failures = (*refused, *(servers.build_error(row, calls.subject) for row in failed))
    return LaunchReport(created=created, failures=failures, unknown=request.count - len(created) - len(failures))
