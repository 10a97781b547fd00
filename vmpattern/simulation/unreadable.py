"""A cloud that can't be read and never will be, for forecasts: whoever observed it got an error."""

from collections.abc import Mapping, Sequence

from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import Transient
from vmpattern.model import Capabilities, CloudObservation, Image, ImageId, Instance, InstanceId, MachineType


class UnreadableCloud:
    """A driver that answers every verb with the error that was observed."""

    def __init__(self, observation: CloudObservation) -> None:
        self._observation = observation

    @property
    def name(self) -> str:
        """The cloud's name."""
        return self._observation.name

    @property
    def capabilities(self) -> Capabilities:
        """What the cloud can do when it can be reached."""
        return self._observation.capabilities

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        """Raise what was observed, as every verb does."""
        raise self._error()

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Raise what was observed."""
        raise self._error()

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """Raise what was observed."""
        raise self._error()

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Raise what was observed."""
        raise self._error()

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """Raise what was observed."""
        raise self._error()

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Raise what was observed."""
        raise self._error()

    def machine_types(self) -> tuple[MachineType, ...]:
        """Raise what was observed."""
        raise self._error()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _error(self) -> Transient:
        return Transient(self._observation.error or "it can't be read")
