"""Balancers: ports of this machine behind which VMs share the requests, each with a proxy and a list of members."""

import contextlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import attrs

from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, NotFound, Problem, QuotaExceeded, SpecError
from vmpattern.model import InstanceId, Membership, Options, Standing
from vmpattern_local import files, parts
from vmpattern_local.proxy import COUNT, NOBODY, Proxy, Slot, listening
from vmpattern_local.vms import Vms

FOLDER = "balancers"
MEMBERS = "members.json"
FREE = Slot(0, 0)
SERVED = Standing(Membership.HEALTHY)


@attrs.frozen(kw_only=True)
class BalancerOptions:
    """What a file can say of a balancer: the port at which it listens.

    Raises:
        SpecError: a value can't be.
    """

    port: int

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.port <= 65535:
            raise SpecError([Problem("port", f"expected a port from 1 to 65535, found {self.port}")])


@attrs.frozen
class Member:
    """Where a member is reached, and which slot of the proxy is its own: it is served while that leads there."""

    address: str
    slot: int


@attrs.frozen
class Members:
    """The members of a balancer by id."""

    members: dict[str, Member]


class Balancers:
    """The balancers in a root folder; `programs` is where a proxy of the system's is looked for."""

    def __init__(self, root: Path, store: Vms, *, programs: str) -> None:
        self._root = root / FOLDER
        self._vms = store
        self._programs = programs

    def members(self, balancer: Options) -> Mapping[InstanceId, Standing]:
        """Return who is served and who still answers requests; where the proxy doesn't run, nobody."""
        options = _options(balancer)
        proxy = Proxy(self._folder(options.port))
        known = self._known(options.port)
        if not known or not proxy.is_running():
            return {}  # members are written down once the proxy has started
        slots, found = proxy.slots(), dict[InstanceId, Standing]()
        for id, one in known.items():
            state = slots.get(one.slot, FREE)
            if proxy.leads(one.slot) == one.address:
                found[InstanceId(id)] = _failing(one) if state.fails else SERVED
            elif state.busy:
                found[InstanceId(id)] = Standing(Membership.DRAINING, "it still answers requests")
        return found

    @staticmethod
    def shares(balancer: Options, other: Options) -> bool:
        """Tell whether two balancers listen at the same port."""
        return _options(balancer).port == _options(other).port

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
        port = _options(balancer).port
        wanted = {id: self._address(id) for id in ids}
        with files.locked(self._root):
            proxy = self._started(port)
            known = dict(self._known(port))
            for id, address in wanted.items():
                if id not in known:
                    known[id] = Member(address, _free(known, port))
            files.write_value(self._folder(port) / MEMBERS, Members(known))
            # Led there last: a crash before this leaves a member that isn't served, and is registered again.
            for id in wanted:
                proxy.lead(known[id].slot, known[id].address)

    def deregister(self, balancer: Options, ids: Sequence[InstanceId]) -> None:
        """Give members no new requests."""
        port = _options(balancer).port
        with files.locked(self._root):
            for id, one in self._known(port).items():
                if id in ids:
                    Proxy(self._folder(port)).lead(one.slot, NOBODY)

    def forget(self, ids: Collection[str]) -> None:
        """Drop members that are gone; a balancer without members ends."""
        if not self._root.is_dir():
            return
        with files.locked(self._root):
            for path in sorted(self._root.glob(f"*/{MEMBERS}")):
                proxy, known = Proxy(path.parent), self._known(int(path.parent.name))
                left = {id: one for id, one in known.items() if id not in ids}
                for id in known.keys() - left.keys():
                    proxy.lead(known[id].slot, NOBODY)
                if known and not left:
                    proxy.stop()
                    files.remove(path.parent)
                elif left != known:
                    files.write_value(path, Members(left))

    def _started(self, port: int) -> Proxy:
        """Return the proxy, started if it doesn't run; what one that has died served is registered anew by others."""
        folder = self._folder(port)
        proxy = Proxy(folder)
        if proxy.is_running():
            return proxy
        files.remove(folder)
        folder.mkdir(parents=True, mode=0o700)
        try:
            proxy.start(parts.caddy(self._programs), port)
        except BaseException:
            with contextlib.suppress(OSError):
                files.remove(folder)
            raise
        return proxy

    def _known(self, port: int) -> Mapping[str, Member]:
        known = files.read_value(self._folder(port) / MEMBERS, Members)
        return known.members if known is not None else {}

    def _folder(self, port: int) -> Path:
        return self._root / str(port)

    def _address(self, id: InstanceId) -> str:
        address = self._vms.ours(id).address
        if address is None:
            raise NotFound(f"the VM {id} has no address yet", field="ids")
        return address


def _failing(member: Member) -> Standing:
    return Standing(Membership.UNHEALTHY, f"the proxy's last requests to {member.address} failed")


def _options(balancer: Options) -> BalancerOptions:
    try:
        return parse_options(BalancerOptions, balancer, path="balancer")
    except SpecError as error:
        raise Invalid(str(error), field="balancer") from error


def _free(known: Mapping[str, Member], port: int) -> int:
    """Return a slot that is nobody's.

    Raises:
        QuotaExceeded: there is none.
    """
    taken = {one.slot for one in known.values()}
    slot = next((slot for slot in range(COUNT) if slot not in taken), None)
    if slot is None:
        raise QuotaExceeded(f"the balancer at port {port} has {COUNT} members, and no room for more", code="NoSlot")
    return slot
