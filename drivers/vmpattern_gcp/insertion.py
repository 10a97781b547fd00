"""From a launch request to what Google is asked for: values in, JSON out."""

import json
from collections.abc import Sequence

from vmpattern.driver import LaunchRequest, guest
from vmpattern.driver.options import parse_options
from vmpattern.errors import Invalid, SpecError
from vmpattern.model import Market, Options
from vmpattern_gcp.names import image_path, request_digest
from vmpattern_gcp.options import PlacementOptions

Json = dict[str, object]
SCRIPT = "startup-script"
SPOT: Json = {
    "provisioningModel": "SPOT",
    "instanceTerminationAction": "DELETE",
    "automaticRestart": False,
    "onHostMaintenance": "TERMINATE",
}


def placement_options(options: Options) -> PlacementOptions:
    """Return the placement's options.

    Raises:
        Invalid: one is unknown or has a wrong value; names the first, tells all.
    """
    try:
        return parse_options(PlacementOptions, options, path="options")
    except SpecError as error:
        raise Invalid(str(error), code="WrongOptions", field=error.problems[0].path) from error


def description(request: LaunchRequest) -> str:
    """Return what a VM says of its launch besides its labels: the image, and a digest of the whole request."""
    return json.dumps({"image": request.image, "request": request_digest(request)})


def one(request: LaunchRequest, name: str, project: str) -> Json:
    """Return the body of `instances.insert`."""
    zone = f"zones/{request.zone}"
    alike = _properties(request, project, disk_types=f"{zone}/diskTypes/")
    return {**alike, "name": name, "machineType": f"{zone}/machineTypes/{request.machine_type}"}


def several(request: LaunchRequest, names: Sequence[str], project: str) -> Json:
    """Return the body of `instances.bulkInsert`: as many of them as can be had, one at least."""
    alike = _properties(request, project, disk_types="")
    return {
        "count": str(len(names)),
        "minCount": "1",
        "perInstanceProperties": {name: {} for name in names},
        "instanceProperties": {**alike, "machineType": request.machine_type},
    }


def _properties(request: LaunchRequest, project: str, *, disk_types: str) -> Json:
    options = placement_options(request.options)
    bears = request.labels
    scheduling = SPOT if request.market is Market.SPOT else _on_demand(request)
    items = [{"key": key, "value": value} for key, value in sorted(options.metadata.items())]
    properties: Json = {
        "labels": bears,
        "description": description(request),
        "disks": [_boot_disk(request, options, bears, image_path(request.image, project), disk_types)],
        "networkInterfaces": [_interface(request, options)],
        "scheduling": scheduling,
        "metadata": {"items": [*items, {"key": SCRIPT, "value": guest.user_data(request)}]},
    }
    if options.tags:
        properties["tags"] = {"items": list(options.tags)}
    if options.service_account:
        properties["serviceAccounts"] = [{"email": options.service_account, "scopes": options.scope_urls}]
    if options.shielded:
        kinds = ("enableSecureBoot", "enableVtpm", "enableIntegrityMonitoring")
        properties["shieldedInstanceConfig"] = dict.fromkeys(kinds, True)
    return properties


def _on_demand(request: LaunchRequest) -> Json:
    # The script runs at every start: a builder that was started again would build on what it had begun.
    return {"provisioningModel": "STANDARD", "automaticRestart": not request.script}


def _boot_disk(
    request: LaunchRequest, options: PlacementOptions, bears: dict[str, str], image: str, types: str
) -> Json:
    first: Json = {"sourceImage": image, "labels": bears, "diskType": f"{types}{options.disk_type}"}
    if request.disk_gib:
        first["diskSizeGb"] = str(request.disk_gib)
    return {"boot": True, "autoDelete": True, "initializeParams": first}


def _interface(request: LaunchRequest, options: PlacementOptions) -> Json:
    interface: Json = {}
    if options.subnetwork:
        interface["subnetwork"] = subnetwork_path(options.subnetwork, request.zone.rpartition("-")[0])
    if options.network or not options.subnetwork:
        interface["network"] = network_path(options.network)
    if options.external_ip:
        interface["accessConfigs"] = [{"type": "ONE_TO_ONE_NAT", "name": "External NAT"}]
    return interface


def subnetwork_path(name: str, region: str) -> str:
    """Return the path of a subnetwork that may be told by its name or link."""
    return _within(name) if "/" in name else f"regions/{region}/subnetworks/{name}"


def network_path(name: str) -> str:
    """Return the path of a network that may be told by its name or link; without one it is `default`."""
    return _within(name) if "/" in name else f"global/networks/{name or 'default'}"


def _within(path: str) -> str:
    return path[path.index("projects/") :] if "projects/" in path else path
