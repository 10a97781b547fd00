"""From a decided launch to the driver's request, and from the driver's report to what may be believed."""

import math
from collections.abc import Mapping
from operator import attrgetter
from typing import NamedTuple

from vmpattern import naming
from vmpattern.access.secrets import secret_value
from vmpattern.driver import LaunchReport, LaunchRequest
from vmpattern.errors import ContractBroken, KeyConflict
from vmpattern.model import Fleet, Instance, InstanceId, LaunchKey, Mislabelled, Revision, Secret, Service, Slot


def launch_request(
    deployment: str,
    fleet: Fleet,
    service: Service,
    slot: Slot,
    *,
    count: int,
    key: LaunchKey,
    previous: Revision | None,
    env: Mapping[str, str],
) -> LaunchRequest:
    """Compose the request; `env` has its secrets resolved."""
    return LaunchRequest(
        key=key,
        count=count,
        deployment=deployment,
        fleet=fleet.name,
        revision=slot.revision,
        inputs=slot.inputs,
        previous=previous,
        zone=slot.zone,
        machine_type=slot.machine_type,
        market=slot.market,
        image=slot.image,
        disk_gib=service.resources.disk_gib,
        port=service.port,
        env=env,
        options=slot.options,
    )


def checked_report(driver: str, request: LaunchRequest, report: object) -> LaunchReport:
    """Hold a report against its request.

    Raises:
        ContractBroken: the counts don't add up, an instance is there twice or isn't what was asked for.
        KeyConflict: an instance that the key made before isn't what was asked for any more.
    """
    if not isinstance(report, LaunchReport):
        raise ContractBroken(f"{driver}: launch returned {type(report).__name__}, not a LaunchReport")
    instances = (*report.created, *report.adopted)
    total = len(instances) + len(report.failures) + report.unknown
    if total != request.count:
        raise ContractBroken(f"{driver}: launch of {request.count} reported {total} instances")
    if len({instance.id for instance in instances}) != len(instances):
        raise ContractBroken(f"{driver}: launch returned an id twice")
    asked = _asked_for(request)
    for instance in instances:
        if not math.isfinite(instance.launched_at):
            raise ContractBroken(f"{driver}: launch returned {instance.id} with a time that is none")
        if _asked_for(instance) != asked:
            field = next(name for name in _ASKED_FOR if getattr(instance, name) != getattr(request, name))
            if instance in report.adopted and field in ("fleet", "revision"):
                # Its labels were changed since: it is another fleet's now, and this key is used up.
                message = f"the launch key {request.key} made {instance.id}, whose {field} isn't the request's any more"
                raise KeyConflict(message, code="Relabelled", field="key")
            raise ContractBroken(f"{driver}: launch returned {instance.id}, whose {field} isn't the request's")
    return report


_ASKED_FOR = ("deployment", "fleet", "revision", "key", "zone", "machine_type", "market")
_asked_for = attrgetter(*_ASKED_FOR)


class Listing(NamedTuple):
    """What a driver listed: the instances, and the VMs whose labels can't be read."""

    instances: tuple[Instance, ...]
    mislabelled: tuple[Mislabelled, ...] = ()


def checked_rows(driver: str, deployment: str, rows: object) -> Listing:
    """Hold a list against its selector.

    An instance with names that no label of ours has counts as mislabelled, whatever its driver makes of it.

    Raises:
        ContractBroken: something else than instances, a stranger's instance, a time that is none, or an id twice.
    """
    if not isinstance(rows, tuple):
        raise ContractBroken(f"{driver}: instances returned {type(rows).__name__}, not a tuple of instances")
    ids: set[InstanceId] = set()
    odd: list[Mislabelled] = []
    for row in rows:
        if not isinstance(row, Instance | Mislabelled):
            raise ContractBroken(f"{driver}: instances returned {type(row).__name__} among its instances")
        if isinstance(row, Instance) and not _has_times(row):
            raise ContractBroken(f"{driver}: instances returned {row.id} with a time that is none")
        if row.deployment != deployment:
            raise ContractBroken(f"{driver}: instances returned {row.id}, which isn't of {deployment}")
        if (strange := _mislabelled(row)) is not None:
            odd.append(strange)
        ids.add(row.id)
    if len(ids) != len(rows):
        raise ContractBroken(f"{driver}: instances returned an id twice")
    if not odd:
        return Listing(rows)
    left_out = {one.id for one in odd}
    return Listing(tuple(row for row in rows if row.id not in left_out), tuple(odd))


def _has_times(row: Instance) -> bool:
    return math.isfinite(row.launched_at) and math.isfinite(row.kept_until or 0.0)


def _mislabelled(row: Instance | Mislabelled) -> Mislabelled | None:
    if isinstance(row, Mislabelled):
        return row
    reason = naming.unreadable(row.fleet, row.revision, row.key, row.inputs, row.previous or "")
    return Mislabelled(id=row.id, cloud=row.cloud, deployment=row.deployment, reason=reason) if reason else None


def resolved_env(service: Service, directory: str) -> dict[str, str]:
    """Resolve a service's environment: secrets are read now, and stay out of every message.

    Raises:
        Refused: a secret can't be had; the text names the variable and the reference, never a value.
    """
    return {
        name: secret_value(f"services.{service.name}.env.{name}", value, directory)
        if isinstance(value, Secret)
        else value
        for name, value in service.env.items()
    }
