"""A cloud that can't be reached: every verb of its driver raises the reason. Also for forecasts of such a cloud."""

from collections.abc import Mapping, Sequence

from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError
from vmpattern.model import Capabilities, Image, ImageId, Instance, InstanceId, MachineType, Market

UNKNOWN = Capabilities(markets=frozenset(Market), balancer=True, mutable_labels=True)
"""What is assumed of a cloud whose driver can't be made: with these, the file asks nothing of it that it can't do."""


class UnreadableCloud:
    """A driver that answers every verb with one error."""

    def __init__(self, name: str, error: DriverError, *, capabilities: Capabilities = UNKNOWN) -> None:
        self.name = name
        self.capabilities: Capabilities = capabilities
        self._error = error

    def instances(self, selector: Selector) -> tuple[Instance, ...]:
        """Raise the error, as every verb does."""
        raise self._again()

    def launch(self, request: LaunchRequest) -> LaunchReport:
        """Raise the error."""
        raise self._again()

    def terminate(self, ids: Sequence[InstanceId]) -> None:
        """Raise the error."""
        raise self._again()

    def label(self, ids: Sequence[InstanceId], labels: Mapping[str, str]) -> None:
        """Raise the error."""
        raise self._again()

    def images(self, selector: Selector) -> tuple[Image, ...]:
        """Raise the error."""
        raise self._again()

    def delete_images(self, ids: Sequence[ImageId]) -> None:
        """Raise the error."""
        raise self._again()

    def machine_types(self) -> tuple[MachineType, ...]:
        """Raise the error."""
        raise self._again()

    def close(self) -> None:
        """Do nothing: there is no connection."""

    def _again(self) -> DriverError:
        """Return the error without the traces of the calls that it has answered before."""
        return self._error.with_traceback(None)
