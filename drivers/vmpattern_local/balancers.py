"""Balancers: ports of this machine behind which VMs share the requests, each with a proxy and a list of members."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, NotFound, Problem, SpecError
from vmpattern.model import InstanceId, Membership, Options
from vmpattern_local import files, parts
from vmpattern_local.proxy import Front, Proxy, listening
from vmpattern_local.vms import Vms

FOLDER = "balancers"
MEMBERS = "members.json"


@attrs.frozen(kw_only=True)
class BalancerOptions:
    """What a file can say of a balancer: the port at which it listens, and the path that tells that a member is well.

    Raises:
        SpecError: a value can't be.
    """

    port: int
    health: str = "/"

    def __attrs_post_init__(self) -> None:
        problems: list[Problem] = []
        if not 1 <= self.port <= 65535:
            problems.append(Problem("port", f"expected a port from 1 to 65535, found {self.port}"))
        if not self.health.startswith("/"):
            problems.append(Problem("health", f"expected a path that begins with a slash, found {self.health!r}"))
        if problems:
            raise SpecError(problems)


@attrs.frozen
class Member:
    """Where a member is reached, and whether it is on its way out."""

    address: str
    draining: bool = False


@attrs.frozen
class Members:
    """The members of a balancer by id, and what its proxy needs to know besides."""

    port: int
    health: str
    members: dict[str, Member]

    def front(self) -> Front:
        """Return what the proxy shall do."""
        draining = tuple(one.address for one in self.members.values() if one.draining)
        serving = tuple(one.address for one in self.members.values() if not one.draining)
        return Front(port=self.port, health=self.health, serving=serving, draining=draining)


class Balancers:
    """The balancers in a root folder; `programs` is where a proxy of the system's is looked for."""

    def __init__(self, root: Path, store: Vms, *, programs: str) -> None:
        self._root = root / FOLDER
        self._vms = store
        self._programs = programs

    def members(self, balancer: Options) -> Mapping[InstanceId, Membership]:
        """Return who is served and who still answers requests; where the proxy doesn't run, nobody."""
        options = _options(balancer)
        proxy = Proxy(self._folder(options.port))
        known = self._known(options).members
        if not known or not proxy.is_running():
            return {}  # members are written down once the proxy has started
        busy, ill = proxy.busy(), proxy.ill()
        found: dict[InstanceId, Membership] = {}
        for id, one in known.items():
            if not one.draining:
                found[InstanceId(id)] = Membership.UNHEALTHY if one.address in ill else Membership.HEALTHY
            elif busy.get(one.address):
                found[InstanceId(id)] = Membership.DRAINING
        return found

    def check(self, balancer: Options) -> None:
        """Look whether the proxy could start.

        Raises:
            Invalid: an option is wrong, the port is taken, or the proxy isn't installed.
        """
        options = _options(balancer)
        if not Proxy(self._folder(options.port)).is_running():
            parts.caddy(self._programs)
            with listening(options.port):
                pass

    def register(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Add members, or take them back from draining; the proxy is started if it doesn't run."""
        options = _options(balancer)
        new: dict[str, Member] = {id: Member(self._address(id)) for id in ids}
        with files.locked(self._root):
            known = self._known(options)
            running = Proxy(self._folder(options.port)).is_running()
            # What a proxy that has died served is registered anew by whoever wants it to be.
            kept = known.members if running else {}
            self._apply(attrs.evolve(known, health=options.health, members={**kept, **new}))

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Give members no new requests."""
        options = _options(balancer)
        with files.locked(self._root):
            known = self._known(options)
            leaving = {id: attrs.evolve(one, draining=True) for id, one in known.members.items() if id in ids}
            if leaving:
                self._apply(attrs.evolve(known, members={**known.members, **leaving}))

    def forget(self, ids: Collection[str]) -> None:
        """Drop members that are gone; a balancer without members ends."""
        if not self._root.is_dir():
            return
        with files.locked(self._root):
            for path in sorted(self._root.glob(f"*/{MEMBERS}")):
                known = files.read_value(path, Members)
                if known is not None and not known.members.keys().isdisjoint(ids):
                    left = {id: one for id, one in known.members.items() if id not in ids}
                    self._apply(attrs.evolve(known, members=left))

    def _apply(self, wanted: Members) -> None:
        folder = self._folder(wanted.port)
        proxy = Proxy(folder)
        if not wanted.members:
            proxy.stop()
            files.remove(folder)
        elif proxy.is_running():
            files.write_value(folder / MEMBERS, wanted)
            proxy.tell(wanted.front())
        elif any(not one.draining for one in wanted.members.values()):
            self._start(proxy, folder, wanted)
        else:
            files.write_value(folder / MEMBERS, wanted)

    def _start(self, proxy: Proxy, folder: Path, wanted: Members) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            proxy.start(parts.caddy(self._programs), wanted.front())
        except BaseException:
            with contextlib.suppress(OSError):
                files.remove(folder)
            raise
        files.write_value(folder / MEMBERS, wanted)

    def _known(self, options: BalancerOptions) -> Members:
        known = files.read_value(self._folder(options.port) / MEMBERS, Members)
        return known or Members(options.port, options.health, {})

    def _folder(self, port: int) -> Path:
        return self._root / str(port)

    def _address(self, id: InstanceId) -> str:
        address = self._vms.ours(id).address
        if address is None:
            raise NotFound(f"the VM {id} has no address yet", field="ids")
        return address


def _options(balancer: Options) -> BalancerOptions:
    try:
        return parse_options(BalancerOptions, balancer, path="balancer")
    except SpecError as error:
        raise Invalid(str(error), field="balancer") from error
