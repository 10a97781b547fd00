"""A backend service with what it needs, as somebody would have made it beforehand."""

from gce.world import World


def furnish_front(world: World, name: str, *, region: str | None = None, draining_s: int = 30) -> None:
    """Put a backend service into the world, global or of a region, with an empty group in each zone of it."""
    project = f"projects/{world.project}"
    scope = f"regions/{region}" if region else "global"
    check = world.add("healthCheck", f"{project}/{scope}/healthChecks/{name}", type="HTTP", checkIntervalSec=5)
    groups = [
        world.add("instanceGroup", f"{project}/zones/{zone}/instanceGroups/{name}", size=0, fingerprint="")
        for zone in (world.every_zone if region is None else world.zones)
    ]
    world.add(
        "backendService",
        f"{project}/{scope}/backendServices/{name}",
        backends=[{"group": group["selfLink"]} for group in groups],
        healthChecks=[check["selfLink"]],
        connectionDraining={"drainingTimeoutSec": draining_s},
        protocol="HTTP",
        fingerprint="",
    )
