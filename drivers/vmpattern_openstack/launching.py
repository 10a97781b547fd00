"""One launch: what it names is looked up, all its servers are created by one call, and a list tells what came of it."""

from collections.abc import Callable, Sequence

from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import DriverError, Invalid, NotFound, OutcomeUnknown, SpecError, Unsupported
from vmpattern.model import Instance, Market
from vmpattern_openstack import servers
from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Calls
from vmpattern_openstack.catalog import Catalog
from vmpattern_openstack.checking import placement_options
from vmpattern_openstack.errors import unlaunchable
from vmpattern_openstack.options import PlacementOptions

BATCH = 25
"""So many servers of one launch Nova creates within the time of a call, ports and all."""


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


def create(calls: Calls, catalog: Catalog, request: LaunchRequest) -> None:
    """Ask Nova for all servers of a launch; it answers before it has looked for hosts.

    Raises:
        Unsupported: the market isn't there.
        Invalid: it can never work; says in which field.
    """
    if request.count > BATCH:
        text = f"{request.count} instances are more than the {BATCH} of one launch"
        raise Invalid(text, code="TooMany", field="count")
    if request.market is not Market.ON_DEMAND:
        raise Unsupported(f"OpenStack has no market {request.market.value}", code="NoMarket", field="market")
    options, found = looked_up(calls, catalog, request)
    body = servers.create_body(request, options, found)
    try:
        calls.change("compute", "POST", "/servers", body, version=servers.microversion(options))
    except (Invalid, NotFound) as error:
        # A name may have got another id since it was looked up.
        catalog.forget()
        raise unlaunchable(error) from error.__cause__


def report(
    calls: Calls,
    request: LaunchRequest,
    rows: Callable[[], Sequence[Server]],
    instance: Callable[[Server], Instance | None],
) -> LaunchReport:
    """Return what came of a launch that Nova accepted; what its list doesn't show yet is unknown.

    Raises:
        OutcomeUnknown: the list failed; the servers are there all the same.
    """
    try:
        found = servers.of_key(rows(), request)
    except DriverError as error:
        text = f"Nova accepted it, and what it made couldn't be listed: {error}"
        raise OutcomeUnknown(text, code="NotListed", scope=error.scope) from error
    failed = [row for row in found if row.status == servers.ERROR][: request.count]
    made = [instance(row) for row in found if row.status != servers.ERROR]
    created = tuple(row for row in made if row is not None)[: request.count - len(failed)]
    failures = tuple(servers.build_error(row, calls.subject) for row in failed)
    return LaunchReport(created=created, failures=failures, unknown=request.count - len(created) - len(failures))
