"""What Google answers, as far as it is read: values whose fields bear Google's names in our spelling."""

from collections.abc import Mapping

import attrs
from immutabledict import immutabledict


@attrs.frozen(kw_only=True)
class AccessConfig:
    """A public address."""

    nat_ip: str = ""


@attrs.frozen(kw_only=True)
class Interface:
    """A network interface."""

    network_ip: str = ""
    access_configs: tuple[AccessConfig, ...] = ()


@attrs.frozen(kw_only=True)
class Scheduling:
    """How a VM is sold; answers of old have `preemptible` only."""

    provisioning_model: str = ""
    preemptible: bool = False


@attrs.frozen(kw_only=True)
class AttachedDisk:
    """A disk of a VM."""

    source: str = ""
    boot: bool = False


@attrs.frozen(kw_only=True)
class Vm:
    """One VM; zone and machine type are links."""

    id: str
    name: str
    zone: str = ""
    machine_type: str = ""
    status: str = ""
    creation_timestamp: str = ""
    description: str = ""
    labels: Mapping[str, str] = immutabledict()
    label_fingerprint: str = ""
    scheduling: Scheduling = Scheduling()
    network_interfaces: tuple[Interface, ...] = ()
    disks: tuple[AttachedDisk, ...] = ()


@attrs.frozen(kw_only=True)
class OperationFault:
    """One error of an operation."""

    code: str = ""
    message: str = ""


@attrs.frozen(kw_only=True)
class OperationFaults:
    """The errors of an operation."""

    errors: tuple[OperationFault, ...] = ()


@attrs.frozen(kw_only=True)
class Operation:
    """Something that takes its time; `error` may come after an answer of success."""

    name: str
    status: str = ""
    operation_type: str = ""
    target_id: str = ""
    target_link: str = ""
    operation_group_id: str = ""
    insert_time: str = ""
    http_error_status_code: int = 0
    http_error_message: str = ""
    error: OperationFaults | None = None

    @property
    def is_done(self) -> bool:
        """Whether it has ended, well or not."""
        return self.status == "DONE"

    @property
    def faults(self) -> tuple[OperationFault, ...]:
        """Every error that it ended with."""
        if self.error is not None and self.error.errors:
            return self.error.errors
        if self.http_error_status_code >= 400:
            return (OperationFault(code=f"HTTP{self.http_error_status_code}", message=self.http_error_message),)
        return ()


@attrs.frozen(kw_only=True)
class Deprecation:
    """Whether something is still meant to be used."""

    state: str = "ACTIVE"


@attrs.frozen(kw_only=True)
class DiskImage:
    """An image."""

    name: str
    self_link: str = ""
    status: str = ""
    creation_timestamp: str = ""
    labels: Mapping[str, str] = immutabledict()
    label_fingerprint: str = ""
    deprecated: Deprecation = Deprecation()
    disk_size_gb: str = "0"


@attrs.frozen(kw_only=True)
class Named:
    """Something that is there."""

    name: str


@attrs.frozen(kw_only=True)
class Quota:
    """A limit of the project's in a region, and how much of it is used."""

    metric: str = ""
    limit: float = 0.0
    usage: float = 0.0


@attrs.frozen(kw_only=True)
class Region:
    """A region."""

    name: str
    quotas: tuple[Quota, ...] = ()


@attrs.frozen(kw_only=True)
class Zone:
    """A zone."""

    name: str
    region: str = ""
    status: str = ""


@attrs.frozen(kw_only=True)
class Kind:
    """A machine type in a zone."""

    name: str
    guest_cpus: int = 0
    memory_mb: int = 0
    deprecated: Deprecation = Deprecation()


@attrs.frozen(kw_only=True)
class Backend:
    """A group that a backend service sends requests to."""

    group: str = ""


@attrs.frozen(kw_only=True)
class Draining:
    """How long a backend that was taken out may finish."""

    draining_timeout_sec: int = 0


@attrs.frozen(kw_only=True)
class BackendService:
    """A balancer's middle: which groups it serves, and how they drain."""

    name: str
    backends: tuple[Backend, ...] = ()
    connection_draining: Draining = Draining()


@attrs.frozen(kw_only=True)
class HealthState:
    """What a health check says of one member."""

    instance: str = ""
    health_state: str = ""
    ip_address: str = ""
    port: int = 0
    annotations: Mapping[str, str] = immutabledict()


@attrs.frozen(kw_only=True)
class GroupHealth:
    """What a health check says of a group."""

    health_status: tuple[HealthState, ...] = ()


@attrs.frozen(kw_only=True)
class Member:
    """A VM in a group."""

    instance: str = ""


@attrs.frozen(kw_only=True)
class SerialOutput:
    """What a serial port printed; `next` is where the rest will begin."""

    contents: str = ""
    start: str = "0"
    next: str = "0"


@attrs.frozen(kw_only=True)
class Interval:
    """When something was measured."""

    end_time: str = ""
    start_time: str = ""


@attrs.frozen(kw_only=True)
class Value:
    """What was measured."""

    double_value: float = 0.0


@attrs.frozen(kw_only=True)
class Point:
    """One measurement."""

    interval: Interval
    value: Value


@attrs.frozen(kw_only=True)
class Measured:
    """What a series is about."""

    labels: Mapping[str, str] = immutabledict()


@attrs.frozen(kw_only=True)
class Series:
    """Measurements of one VM, the newest first."""

    resource: Measured = Measured()
    points: tuple[Point, ...] = ()


@attrs.frozen(kw_only=True)
class SeriesPage:
    """A page of series."""

    time_series: tuple[Series, ...] = ()
    next_page_token: str = ""
