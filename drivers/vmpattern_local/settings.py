"""What a file can say of this machine as a cloud."""

import enum
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path

import attrs
from immutabledict import immutabledict

from vmpattern.errors import Problem, SpecError
from vmpattern.model import NAME_RULE, MachineType, is_name
from vmpattern.model.quantity import parse_mib

LEAST_MIB = 96
"""Below this the guest doesn't boot."""


class Acceleration(enum.Enum):
    """What runs the guest's instructions: `auto` takes KVM where a guest was seen to boot with it."""

    AUTO = "auto"
    KVM = "kvm"
    TCG = "tcg"


@attrs.frozen(kw_only=True)
class MachineTypeOptions:
    """A machine type of one's own: memory as in "512MiB"."""

    vcpus: int
    memory: str


_TYPES: immutabledict[str, MachineTypeOptions] = immutabledict(
    tiny=MachineTypeOptions(vcpus=1, memory="128MiB"),
    small=MachineTypeOptions(vcpus=1, memory="256MiB"),
    medium=MachineTypeOptions(vcpus=1, memory="512MiB"),
    large=MachineTypeOptions(vcpus=2, memory="1GiB"),
    xlarge=MachineTypeOptions(vcpus=4, memory="4GiB"),
)


@attrs.frozen(kw_only=True)
class LocalOptions:
    """The options of this machine as a cloud.

    `path`: the folder of VMs and images. `zones`: names that a fleet can be spread over, all on this machine.
    `machine_types`: instead of the usual ones. `acceleration`: see there. `grace`: how long a guest may take to power
    off before it is killed. `programs`: the folders in which QEMU is looked for, with colons between them.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    path: Path = Path(".vmpattern/local")
    zones: tuple[str, ...] = ("local",)
    machine_types: Mapping[str, MachineTypeOptions] = _TYPES
    acceleration: Acceleration = Acceleration.AUTO
    grace: timedelta = timedelta(seconds=20)
    programs: str = "/usr/local/bin:/usr/bin:/bin"

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def offered(self) -> tuple[MachineType, ...]:
        """Return the machine types, as written, each in every zone and without a price."""
        zones = tuple(sorted(self.zones))
        return tuple(
            MachineType(name=name, vcpus=kind.vcpus, memory_mib=parse_mib(kind.memory), zones=zones)
            for name, kind in self.machine_types.items()
        )

    def _problems(self) -> Iterator[Problem]:
        if not self.zones:
            yield Problem("zones", "expected at least one zone")
        for zone in dict.fromkeys(self.zones):
            if not is_name(zone):
                yield Problem("zones", f"{zone!r} isn't a zone's name: {NAME_RULE}")
            if self.zones.count(zone) > 1:
                yield Problem("zones", f"{zone!r} stands there twice")
        if not self.machine_types:
            yield Problem("machine_types", "expected at least one machine type")
        for name, kind in self.machine_types.items():
            yield from _problems_of_type(f"machine_types.{name}", kind)
        if self.grace < timedelta(0):
            yield Problem("grace", "expected a duration from 0s up")


def _problems_of_type(path: str, kind: MachineTypeOptions) -> Iterator[Problem]:
    if kind.vcpus < 1:
        yield Problem(f"{path}.vcpus", f"expected at least 1, found {kind.vcpus}")
    try:
        if parse_mib(kind.memory) < LEAST_MIB:
            yield Problem(f"{path}.memory", f"expected at least {LEAST_MIB}MiB, found {kind.memory}")
    except ValueError as error:
        yield Problem(f"{path}.memory", str(error))
