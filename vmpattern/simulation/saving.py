"""A world as JSON, and back. What the cloud is and which faults it has isn't in it: whoever loads it says so anew."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn

from vmpattern.model import Image, ImageId, Instance, InstanceId, LaunchKey
from vmpattern.simulation.api import Api
from vmpattern.simulation.balancers import Balancers
from vmpattern.simulation.images import Images
from vmpattern.simulation.ledger import Entry, Ledger
from vmpattern.simulation.past import Entry as PastEntry
from vmpattern.simulation.vm import Vm
from vmpattern.simulation.world import World

_CONVERTER = cattrs.Converter(omit_if_default=True)
_LABELS = ("fleet", "revision", "key")
"""The fields of an instance that are labels: a VM may lack them, and then it is listed as mislabelled."""


def _instance(converter: cattrs.Converter) -> Callable[[Mapping[str, object], type], Instance]:
    usual = make_dict_structure_fn(Instance, converter)
    missing = dict.fromkeys(_LABELS, "")
    return lambda data, kind: usual({**missing, **data}, kind)


_CONVERTER.register_structure_hook(Instance, _instance(_CONVERTER))


@attrs.frozen(kw_only=True)
class Bucket:
    """What is in a token bucket; its size and rate are the cloud's."""

    tokens: float
    at: float


@attrs.frozen(kw_only=True)
class State:
    """Everything that has happened to a world, as far as it matters. See the classes whose fields these are."""

    start: float
    at: float
    position: int
    seq: int
    vms: list[Vm]
    gone: list[tuple[float, Instance]]
    changed: dict[InstanceId, int]
    vanishing: list[tuple[float, InstanceId]]
    past: dict[InstanceId, list[PastEntry]]
    keys: dict[LaunchKey, Entry]
    members: dict[str, dict[InstanceId, float | None]]
    draining: list[tuple[float, str, InstanceId]]
    buckets: dict[str, Bucket]
    calls: dict[str, int]
    seen: dict[str, int]
    images: dict[ImageId, Image] = attrs.field(factory=dict)
    ready: dict[ImageId, float] = attrs.field(factory=dict)
    staged: list[str] = attrs.field(factory=list)


def parse(data: Mapping[str, object]) -> State:
    """Read a state from its JSON form.

    Raises:
        ValueError: it isn't one.
    """
    try:
        return _CONVERTER.structure(data, State)
    except cattrs.BaseValidationError as error:
        raise ValueError("; ".join(cattrs.transform_error(error))) from error


def save(world: World, ledger: Ledger, balancers: Balancers, images: Images, api: Api) -> dict[str, object]:
    """Return the JSON form of everything; lets go of what need not be remembered any more."""
    world.prune()
    world.past.prune(world.at)
    ledger.prune()
    balancers.prune()
    state = State(
        start=world.start,
        at=world.at,
        position=world.position,
        seq=world.seq,
        vms=list(world.vms.values()),
        gone=list(world.gone.values()),
        changed=world.changed,
        vanishing=list(world.vanishing),
        past=world.past.entries,
        keys=ledger.entries,
        members=balancers.members,
        draining=list(balancers.draining),
        buckets={name: Bucket(tokens=bucket.tokens, at=bucket.at) for name, bucket in api.buckets.items()},
        calls=dict(api.calls),
        seen=dict(api.seen),
        images=images.rows,
        ready=images.ready,
        staged=sorted(images.staged),
    )
    saved: dict[str, object] = _CONVERTER.unstructure(state)
    return saved


def load(state: State, world: World, ledger: Ledger, balancers: Balancers, images: Images, api: Api) -> None:
    """Bring a world that was just made, and what belongs to it, into a state.

    Raises:
        ValueError: its parts don't fit together, as after a change by hand.
    """
    for problem in _misfits(state):
        raise ValueError(f"its parts don't fit together: {problem}")
    world.past.entries.update(state.past)
    world.load(state.vms, state.gone)
    world.position, world.seq, world.changed = state.position, state.seq, dict(state.changed)
    world.vanishing.extend(state.vanishing)
    ledger.entries.update(state.keys)
    balancers.members.update(state.members)
    balancers.draining.extend(state.draining)
    images.rows.update({id: attrs.evolve(row, cloud=world.spec.name) for id, row in state.images.items()})
    images.ready.update(state.ready)
    images.staged.update(state.staged)
    for name in api.buckets.keys() & state.buckets.keys():
        api.buckets[name].tokens, api.buckets[name].at = state.buckets[name].tokens, state.buckets[name].at
    api.calls.update(state.calls)
    api.seen.update(state.seen)


def _misfits(state: State) -> Iterator[str]:
    """Yield what of a state names a VM that isn't in it, or one twice."""
    vms = Counter(vm.row.id for vm in state.vms)
    yield from (f'the VM {id} is in "vms" {number} times: leave one' for id, number in vms.items() if number > 1)
    known = {*vms, *(row.id for _, row in state.gone)}
    for id in state.changed:
        if id not in known:
            yield f'the VM {id} is in "changed", and neither in "vms" nor in "gone": take it out there, too'
    for _, id in state.vanishing:
        if id not in vms:
            yield f'the VM {id} is in "vanishing", and not in "vms": take it out there, too'
