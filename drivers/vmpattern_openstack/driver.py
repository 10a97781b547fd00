"""OpenStack behind the driver contract: each verb is one attempt, composed of Nova's, Glance's and Octavia's calls."""

import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import ClassVar

from vmpattern import naming
from vmpattern.driver import CaptureRequest, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import (
    Invalid,
    NotFound,
    Problem,
    Scope,
    ScopeKind,
    SpecError,
    Transient,
    Unauthenticated,
    Unsupported,
)
from vmpattern.model import (
    OUTSIDE,
    Capabilities,
    Image,
    ImageId,
    ImageState,
    Instance,
    InstanceId,
    Limit,
    MachineType,
    Mislabelled,
    Options as OptionTable,
    Standing,
    Usage,
)
from vmpattern_libcloud import Subject
from vmpattern_openstack import (
    balancing,
    checking,
    disks,
    ending,
    floating,
    images,
    launching,
    limits,
    listing,
    metering,
    servers,
    staging,
    uploading,
)
from vmpattern_openstack.answers import Server
from vmpattern_openstack.api import Api, Calls
from vmpattern_openstack.capabilities import capabilities
from vmpattern_openstack.catalog import Catalog
from vmpattern_openstack.labels import PREFIX, description, key_tag, mutable_labels, selector_tags
from vmpattern_openstack.login import find_login
from vmpattern_openstack.options import OpenStackOptions, PlacementOptions


class OpenStackDriver:
    """A project of an OpenStack cloud. Made, it has read who asks, and doesn't talk to the cloud yet.

    Where neither clouds.yaml nor the environment has a login, every verb raises `Unauthenticated` with the reason.

    Args:
        environment: where OS_CLOUD and the like are looked for, once.
        now: tells epoch seconds.
    """

    Options: ClassVar[type[OpenStackOptions]] = OpenStackOptions
    name = "openstack"

    def __init__(
        self,
        options: OpenStackOptions,
        *,
        cloud: str = "openstack",
        directory: Path,
        environment: Mapping[str, str] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.capabilities: Capabilities = capabilities(options)
        self._cloud = cloud
        self._options = options
        self._now = now
        self._catalog = Catalog(options, now)
        self._meter = metering.Meter()
        self._sightings = listing.Sightings()
        self._scope = ""
        self._reached: Api | Unauthenticated
        try:
            login = find_login(options, directory, os.environ if environment is None else environment, home=Path.home())
        except Unauthenticated as error:
            self._reached = error
            return
        can = self.capabilities
        self._scope = login.scope
        self._reached = Api(login, timeout_s=can.call_timeout_s, page_size=can.page_size, proxy=options.proxy, now=now)

    # -- instances ----------------------------------------------------------------------------------------------------

    def scope(self) -> str:
        """Return Keystone's address, project and region, as written; nothing without a login."""
        return self._scope

    def instances(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        """List servers by tags; a server that Nova is still looking a host for is there, too."""
        calls = self.calls(f"list the instances of {selector.deployment}")
        rows = self._servers(calls, selector_tags(selector))
        found = ((server, self._instance(server, selector.deployment)) for server in rows)
        return tuple(row for server, row in found if _is_selected(selector, server, row))

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Create all servers of a request in one call, and look what became of them."""
        _check_count(request.count, self.capabilities.max_batch, field="count")
        calls = self.calls("launch", mutating=True, subject=servers.subject_of(request))
        if self._options.floating_network is not None:
            floating.free(calls, (), now=self._now())
        refused = launching.create(calls, self._catalog, request)
        rows = partial(self._servers, calls, [key_tag(request.key)])
        instance = partial(self._instance, deployment=request.deployment)
        return launching.report(calls, request, refused, rows, instance)

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """Delete servers that bear our tag, and nothing else; those that have no host yet are for another time.

        What a list of the last seconds showed to bear it isn't looked at again.
        """
        _check_count(len(ids), self.capabilities.max_terminate, field="ids")
        calls = self.calls(f"end {len(ids)} instances", mutating=True)
        addressed = self._options.floating_network is not None
        now = self._now()
        ending.end(calls, ids, built=self._sightings.at(now), addressed=addressed, now=now)

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Write labels into the descriptions of servers, which Nova lets be changed in every state."""
        if fixed := sorted(set(labels) - {naming.KEPT_UNTIL}):
            raise Invalid(f"the label {fixed[0]} can't be changed", code="ImmutableLabel", field="labels")
        calls = self.calls(f"label {len(ids)} instances", mutating=True)
        rows = self._ours(calls)
        for id in ids:
            if id not in rows:
                raise NotFound(f"there is no instance {id} of ours", code="NotThere")
            known = mutable_labels(rows[id].description)
            text = description({**known, **labels})
            calls.change("compute", "PUT", f"/servers/{id}", {"server": {"description": text}})

    # -- images -------------------------------------------------------------------------------------------------------

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """List images by the properties that are our labels."""
        return images.images(self.calls("list images"), selector, cloud=self._cloud)

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Delete images of ours that no server runs from."""
        images.delete(self.calls("delete images", mutating=True), ids, cloud=self._cloud)

    def resolve(self, base: str) -> ImageId:
        """Return an image by id or name, or the newest of a distribution as `debian-12`."""
        return images.resolve(self.calls(f"look for the base {base!r}"), base)

    def capture(self, request: CaptureRequest) -> ImageId:
        """Make a snapshot of a builder that is shut off; its labels are the image's properties."""
        calls = self.calls(f"capture {request.builder}", mutating=True)
        for image in images.images(calls, Selector(request.deployment), cloud=self._cloud):
            if image.digest == request.digest and image.state is not ImageState.FAILED:
                return image.id
        found = calls.find("compute", f"/servers/{request.builder}")
        builder = calls.parsed(Server, found["server"]) if found is not None else None
        ours = builder is not None and servers.is_ours(builder, calls.project())
        if builder is None or not ours or builder.metadata.get(naming.DEPLOYMENT) != request.deployment:
            raise NotFound(f"there is no builder {request.builder} of {request.deployment}", code="NoBuilder")
        return images.capture(calls, request, builder)

    def mark_verified(self, image: ImageId) -> None:
        """Set the property of an image that holds what was baked."""
        images.mark_verified(self.calls(f"mark the image {image}", mutating=True), image, cloud=self._cloud)

    def upload(self, disk: Path, *, name: str) -> ImageId:
        """Return the image of a disk of this machine, which is uploaded unless the same is there.

        A verb of this driver's own. `call_timeout` bounds each of its steps, not all the time that the bytes take.

        Args:
            disk: a qcow2 or raw disk, or the folder of an image that the local driver has exported.

        Raises:
            Invalid: the disk can't be read, or isn't whole.
        """
        found = disks.read(disk)  # takes its time, so that comes before the calls
        begin = partial(self.calls, f"upload {disk.name}", mutating=True)
        return uploading.upload(begin, found, name=name)

    def stage(self, name: str, data: bytes, *, lifetime_s: float) -> str:
        """Put data into the project's object store, and return an address that works for a while."""
        if not self._options.staging:
            text = f"{name} can't be staged: the cloud's options say staging = false, so it must be at a URL"
            raise Unsupported(text, code="NoStaging")
        calls = self.calls(f"stage {name}", mutating=True)
        return staging.stage(calls, name, data, lifetime_s=lifetime_s, now=self._now(), key=secrets.token_hex(32))

    def unstage(self, names: Sequence[str]) -> None:
        """Remove data from the object store, where there is one."""
        if self._options.staging:
            staging.unstage(self.calls(f"unstage {len(names)} files", mutating=True), names)

    # -- what is sold -------------------------------------------------------------------------------------------------

    def machine_types(self) -> tuple[MachineType, ...]:
        """List the flavors, with prices from the options."""
        return self._catalog.machine_types(self.calls("list flavors"))

    def check(self, requests: Sequence[LaunchRequest], balancer: OptionTable | None) -> tuple[Problem, ...]:
        """Return what Nova would refuse, apart from quotas."""
        calls = self.calls("check a launch")
        return tuple(dict.fromkeys(checking.problems(calls, self._catalog, requests, balancer)))

    def limits(self) -> tuple[Limit, ...]:
        """Return the project's quotas of Nova and Neutron, with what is in use."""
        return limits.limits(self.calls("read the limits"), self._catalog)

    # -- consoles and balancers ---------------------------------------------------------------------------------------

    def console(self, instance: InstanceId) -> str:
        """Return what a server printed; before that, what Nova says of one that failed."""
        calls = self.calls(f"read the console of {instance}")
        server = calls.parsed(Server, calls.get("compute", f"/servers/{instance}").get("server"))
        failed = f"The server failed: {server.fault.message}\n" if server.fault is not None else ""
        try:
            found = calls.ask("compute", f"/servers/{instance}/action", {"os-getConsoleOutput": {}})
        except Transient as error:
            if error.code != "conflictingRequest":
                raise
            return failed  # it has no host, and so no console
        return failed + str(found.get("output") or "")

    def usage(self, ids: Sequence[InstanceId]) -> Mapping[InstanceId, Usage]:
        """Return what servers use of their processors, one call each, where the options say that this may be asked."""
        if not self._options.meter:
            text = "the cloud's options don't say  meter = true: Nova tells use to those alone who may read diagnostics"
            raise Unsupported(text, code="NoMeter")
        return self._meter.usage(self.calls(f"measure {len(ids)} instances"), ids, now=self._now())

    def members(self, balancer: OptionTable) -> Mapping[InstanceId, Standing]:
        """List the members of a pool, by the instances that they are named after."""
        calls = self.calls("list the members of a balancer")
        _, _, there = balancing.load(calls, balancer)
        now = self._now()
        told = {InstanceId(member.name): balancing.standing(member, now) for member in there if member.name}
        return {id: standing for id, standing in told.items() if standing is not OUTSIDE}

    def shares(self, balancer: OptionTable, other: OptionTable) -> bool:
        """Tell whether two balancers are one pool."""
        try:
            return balancing.shares(self.calls("compare two balancers"), balancer, other)
        except SpecError as error:
            raise Invalid(str(error), code="BadOption", field="balancer") from None

    def register(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Add members to a pool, all in one call."""
        calls = self.calls(f"register {len(ids)} instances", mutating=True)
        options, pool, there = balancing.load(calls, balancer)
        rows = self._ours(calls)
        addresses: dict[InstanceId, str] = {}
        for id in ids:
            if id not in rows:
                raise NotFound(f"there is no instance {id} of ours", code="NotThere")
            address = servers.address(rows[id], self._options.address_network)
            if address is None:
                raise Transient(f"{id} has no address yet", code="NoAddress", scope=Scope(ScopeKind.INSTANCE))
            addresses[id] = address
        balancing.store(calls, pool, balancing.registered(there, addresses, options, self._now()))

    def deregister(self, balancer: OptionTable, ids: Sequence[InstanceId]) -> None:
        """Give members the weight 0, all in one call."""
        calls = self.calls(f"deregister {len(ids)} instances", mutating=True)
        options, pool, there = balancing.load(calls, balancer)
        balancing.store(calls, pool, balancing.deregistered(there, ids, options, self._now()))

    def close(self) -> None:
        """Let go of every connection."""
        if isinstance(self._reached, Api):
            self._reached.close()

    # -- for the kit, too ---------------------------------------------------------------------------------------------

    def calls(self, what: str, *, mutating: bool = False, subject: Subject | None = None) -> Calls:
        """Return what a verb makes its calls with; its time begins now."""
        if isinstance(self._reached, Unauthenticated):
            raise self._reached.with_traceback(None)
        return self._reached.calls(what, mutating=mutating, subject=subject)

    def looked_up(self, calls: Calls, request: LaunchRequest) -> tuple[PlacementOptions, servers.Found]:
        """Return a launch's options, and by id what it names."""
        return launching.looked_up(calls, self._catalog, request)

    # -- within -------------------------------------------------------------------------------------------------------

    def _servers(self, calls: Calls, tags: Sequence[str]) -> list[Server]:
        asked_at = self._now()
        rows = listing.servers(calls, listing.tagged(*tags))
        self._sightings.note(rows, asked_at, calls.project())
        return rows

    def _ours(self, calls: Calls) -> dict[str, Server]:
        project = calls.project()
        return {row.id: row for row in self._servers(calls, [PREFIX]) if servers.is_ours(row, project)}

    def _instance(self, server: Server, deployment: str) -> Instance | Mislabelled:
        network = self._options.address_network
        return servers.instance_of(server, deployment=deployment, cloud=self._cloud, network=network)


def _is_selected(selector: Selector, server: Server, row: Instance | Mislabelled) -> bool:
    """Tell whether a row is of the selector's fleet; of what can't be read, only whether it is still there."""
    return selector.matches(row) if isinstance(row, Instance) else servers.phase(server).is_live


def _check_count(count: int, most: int, *, field: str) -> None:
    if count > most:
        raise Invalid(f"{count} instances are more than the {most} of one call", code="TooMany", field=field)
