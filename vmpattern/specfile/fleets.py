"""The tables of a fleet: placements, rollout policy, balancers."""

from vmpattern.model import NAME_RULE, Fleet, Market, Place, Placement, Rollout, Share, is_name
from vmpattern.model.fleet import MOST_INSTANCES, MOST_PLACEMENTS
from vmpattern.model.quantity import parse_share
from vmpattern.specfile.kinds import (
    DURATION,
    LATER,
    OPTIONS,
    POSITIVE_DURATION,
    Kind,
    check_cloud,
    choice,
    mapping,
    reference,
    sequence,
    text,
    whole,
    word,
)
from vmpattern.specfile.sheet import Spot, shown
from vmpattern.specfile.tables import Key, table
from vmpattern.specfile.writing import Toml

PLACEMENT = table(
    Placement,
    Key("cloud", reference("clouds"), required="the name of a cloud"),
    Key("zones", sequence(text("the name of a zone"))),
    Key("machine_type", text("the name of a machine type")),
    Key("market", choice(Market)),
    Key("weight", whole(1)),
    Key("options", OPTIONS),
)


def _read_share(spot: Spot) -> Share:
    if isinstance(spot.value, str) or type(spot.value) is int:
        return parse_share(spot.value)
    raise ValueError(f'expected a whole number or a share such as "25%", found {shown(spot.value)}')


def _write_share(share: Share) -> Toml:
    return str(share) if share.percent else share.number


_SHARE = Kind(_read_share, _write_share)


def _read_on_failure(spot: Spot) -> str:
    if spot.value == "rollback":
        raise ValueError(f"going back to an earlier revision {LATER}: a failed rollout pauses")
    return word("pause").read(spot)


def _check_shares(spot: Spot) -> None:
    """Note two zeros, unless one of the keys couldn't be read and may have meant something else."""
    entries = spot.entries()
    defaults = {"max_surge": Rollout().max_surge, "max_unavailable": Rollout().max_unavailable}
    shares = [
        spot.sheet.values.get(entries[name].path) if name in entries else default for name, default in defaults.items()
    ]
    if all(isinstance(share, Share) and share.number == 0 for share in shares):
        spot.tell(
            "max_surge and max_unavailable are both 0: nothing could ever be replaced, expected one of them above 0"
        )


ROLLOUT = table(
    Rollout,
    Key("strategy", word("rolling", later=("canary", "blue-green"))),
    Key("max_surge", _SHARE),
    Key("max_unavailable", _SHARE),
    Key("max_in_flight", whole(1)),
    Key("min_ready", DURATION, field="min_ready_s"),
    Key("launch_deadline", POSITIVE_DURATION, field="launch_deadline_s"),
    Key("ready_deadline", POSITIVE_DURATION, field="ready_deadline_s"),
    Key("progress_deadline", POSITIVE_DURATION, field="progress_deadline_s"),
    Key("max_failures", _SHARE),
    Key("drain", DURATION, field="drain_s"),
    Key("keep_failed", whole(0)),
    Key("keep_failed_for", DURATION, field="keep_failed_s"),
    Key("blast_budget", _SHARE),
    Key("blast_window", POSITIVE_DURATION, field="blast_window_s"),
    Key("on_failure", Kind(_read_on_failure, str), field=""),
    checks=(_check_shares,),
    later={
        "canary": "leave it out",
        "soak": "leave it out, min_ready is how long new instances are watched",
        "stages": "leave it out, max_surge limits how much changes at once",
    },
)


def _check_size(spot: Spot) -> None:
    if not {"size", "autoscale"} & spot.entries().keys():
        spot.child("size").tell("is missing: expected the number of instances")


_WHY = "a plan plays the life of every instance: share more of them among several fleets"

FLEET = table(
    Fleet,
    Key("service", reference("services"), required="the name of a service"),
    Key("size", whole(0, MOST_INSTANCES, why=_WHY)),
    Key(
        "placements",
        sequence(PLACEMENT, least=1, most=MOST_PLACEMENTS),
        required='an array such as [{ cloud = "demo" }]',
    ),
    Key("place", choice(Place)),
    Key("rollout", ROLLOUT),
    Key("was", text(f"a name: {NAME_RULE}", accept=is_name)),
    Key("balancer", mapping(OPTIONS, key=check_cloud, expected='a table by cloud such as { demo = { name = "..." } }')),
    named=True,
    checks=(_check_size,),
    later={"autoscale": "give a fixed size for now"},
)
