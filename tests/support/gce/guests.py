"""What goes on inside a VM: it boots, runs the script it was started with, prints, and may power itself off."""

from gce.world import World
from vmpattern.simulation import guest

SCRIPT = "startup-script"


def boot(world: World, path: str) -> None:
    """Let an instance run; its script ends some seconds later."""
    if not world.has(path):
        return
    instance = world.find(path)[1]
    if instance["status"] == "STOPPING":
        return
    instance.update(status="RUNNING", lastStartTimestamp=world.clock.stamp())
    world.consoles[path] = (
        "[    0.000000] Linux version 6.1.0-cloud-amd64\n[    2.907411] systemd[1]: Reached target.\n"
    )
    items = instance.get("metadata", {}).get("items", [])
    script = next((item["value"] for item in items if item["key"] == SCRIPT), "")

    def run() -> None:
        if world.has(path) and instance["status"] == "RUNNING":
            world.consoles[path] += "".join(f"{line}\n" for line in guest.printed(script))
            if guest.powers_off(script):
                power_off(world, path)

    world.clock.after(world.delays.script_s, run)


def power_off(world: World, path: str) -> None:
    """Let an instance stop; it stays, and can be started again."""
    instance = world.find(path)[1]
    instance["status"] = "STOPPING"

    def stopped() -> None:
        if instance["status"] == "STOPPING" and instance["id"] not in world.ending:
            instance.update(status="TERMINATED", lastStopTimestamp=world.clock.stamp())

    world.clock.after(world.delays.other_s, stopped)
