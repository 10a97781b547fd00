"""What a project has before anybody asks: its zones, machine types, network, and the images that vendors offer."""

from gce.methods import method
from gce.refusal import not_found
from gce.world import ELSEWHERE, Call, Resource, World

MACHINE_TYPES = {
    "e2-micro": (2, 1024),
    "e2-small": (2, 2048),
    "e2-medium": (2, 4096),
    "n2-standard-2": (2, 8192),
    "n2-standard-4": (4, 16384),
}
CUSTOM = "n2-custom-"
DISK_TYPES = ("pd-balanced", "pd-ssd", "pd-standard")
VENDOR = "debian-cloud"
FAMILY = "debian-12"
BASES = ("debian-12-bookworm-v20260101", "debian-12-bookworm-v20261101")
SUBNETWORK = "fleet"
QUOTAS = (
    {"metric": "CPUS", "limit": 5000.0, "usage": 0.0},
    {"metric": "N2_CPUS", "limit": 500.0, "usage": 0.0},
    {"metric": "INSTANCES", "limit": 6000.0, "usage": 0.0},
    {"metric": "PREEMPTIBLE_CPUS", "limit": 0.0, "usage": 0.0},
)
"""What a region has usually: of spot vCPUs, none was granted."""


def furnish(world: World) -> World:
    """Put everything in, and return the world."""
    project = f"projects/{world.project}"
    world.add("project", project, defaultServiceAccount="checker@example.com", quotas=[])
    network = world.add("network", f"{project}/global/networks/default", autoCreateSubnetworks=True)
    for name in (world.region, ELSEWHERE):
        region = f"{project}/regions/{name}"
        world.add("region", region, status="UP", quotas=[dict(quota) for quota in QUOTAS])
        subnetwork = f"{region}/subnetworks/{SUBNETWORK}"
        world.add("subnetwork", subnetwork, network=network["selfLink"], region=world.link(region))
    for zone in world.every_zone:
        path = f"{project}/zones/{zone}"
        world.add("zone", path, status="UP", region=world.link(f"{project}/regions/{zone.rpartition('-')[0]}"))
        for name, (cpus, memory) in MACHINE_TYPES.items():
            world.add("machineType", f"{path}/machineTypes/{name}", guestCpus=cpus, memoryMb=memory, zone=zone)
        for name in DISK_TYPES:
            world.add("diskType", f"{path}/diskTypes/{name}", zone=world.link(path), defaultDiskSizeGb="10")
    world.add("machineType", f"{project}/zones/{world.zones[0]}/machineTypes/c2-odd", guestCpus=4, memoryMb=16384)
    for base in BASES:
        images = f"projects/{VENDOR}/global/images"
        world.add("image", f"{images}/{base}", family=FAMILY, status="READY", diskSizeGb="10", labelFingerprint="")
        world.clock.seconds += 1.0
    return world


@method("compute.machineTypes.get")
def machine_type(world: World, call: Call) -> Resource:
    """Tell of a machine type; custom ones are in no list, and are there for who asks."""
    name = call.path.rpartition("/")[2]
    if world.has(call.path) or not name.startswith(CUSTOM):
        return world.find(call.path)[1]
    vcpus, memory = name.removeprefix(CUSTOM).split("-")
    if int(vcpus) % 2:
        raise not_found(call.path)
    return {"name": name, "guestCpus": int(vcpus), "memoryMb": int(memory), "selfLink": world.link(call.path)}
