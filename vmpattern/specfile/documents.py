"""The whole document: clouds, services and fleets, and what must fit between them."""

from collections.abc import Mapping

from immutabledict import immutabledict

from vmpattern.model import NAME_RULE, Cloud, Deployment, Fleet, Service, check_renames, is_name
from vmpattern.specfile.fleets import FLEET
from vmpattern.specfile.images import missing_images
from vmpattern.specfile.kinds import Kind, check_name, mapping, read_options, text, write_options
from vmpattern.specfile.services import SERVICE
from vmpattern.specfile.sheet import Spot, Told, shown
from vmpattern.specfile.tables import Key, fields, table
from vmpattern.specfile.writing import Toml

_DRIVER = text("the name of a driver")


def _read_cloud(spot: Spot) -> Cloud:
    """Read a cloud: every key but `driver` is the driver's own."""
    before = len(spot.sheet.problems)
    entries = spot.entries()
    driver = entries.pop("driver", None)
    name = driver.attempt(_DRIVER.read) if driver else None
    if driver is None:
        spot.child("driver").tell('is missing: expected the name of a driver such as "memory"')
    options = read_options(entries)
    if name is None or len(spot.sheet.problems) > before:
        raise Told
    return Cloud(name=spot.name, driver=name, options=options, directory=spot.sheet.directory)


def _write_cloud(cloud: Cloud) -> dict[str, Toml]:
    return {"driver": cloud.driver} | write_options(cloud.options)


def _make_deployment(
    *,
    name: str,
    clouds: Mapping[str, Cloud] = immutabledict(),
    services: Mapping[str, Service] = immutabledict(),
    fleets: Mapping[str, Fleet] = immutabledict(),
) -> Deployment:
    return Deployment(name=name, clouds=clouds, services=services, fleets=fleets)


def _check_images(spot: Spot) -> None:
    """Note each cloud in which a fleet runs a service that lists images by cloud, but none for that one."""
    values = spot.sheet.values
    missing: dict[tuple[str, str], str] = {}
    for fleet in values.values():
        service = values.get(("services", fleet.service)) if isinstance(fleet, Fleet) else None
        if isinstance(fleet, Fleet) and isinstance(service, Service):
            clouds = dict.fromkeys(placement.cloud for placement in fleet.placements)
            for cloud in missing_images(service.image, clouds):
                missing.setdefault((service.name, cloud), fleet.name)
    for (service_name, cloud), fleet_name in missing.items():
        image = spot.child("services").child(service_name).child("image")
        image.tell(f"has no image for the cloud {shown(cloud)}, where the fleet {shown(fleet_name)} is placed")


def _check_renames(spot: Spot) -> None:
    """Note each former name that is a fleet's present name, or another fleet's former one."""
    names = spot.sheet.names("fleets")
    found = {name: spot.sheet.values.get(("fleets", name, "was")) for name in names}
    former = {name: was for name, was in found.items() if isinstance(was, str)}
    for name, message in check_renames(former, names).items():
        spot.child("fleets").child(name).child("was").tell(message)


_KEYS = (
    Key("deployment", text(f"a name: {NAME_RULE}", accept=is_name), field="name", required="the deployment's name"),
    Key("clouds", mapping(Kind(_read_cloud, _write_cloud), key=check_name)),
    Key("services", mapping(SERVICE, key=check_name)),
    Key("fleets", mapping(FLEET, key=check_name)),
)
DEPLOYMENT = table(_make_deployment, *_KEYS, checks=(_check_images, _check_renames))


def write_document(deployment: Deployment) -> dict[str, Toml]:
    """Write a deployment; sections without a table are left out."""
    return {key: part for key, part in fields(deployment, _KEYS).items() if part}
