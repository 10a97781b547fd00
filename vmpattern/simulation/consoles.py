"""What a simulated VM prints on its console."""

from vmpattern.model import Health, Phase
from vmpattern.simulation.guest import powers_off, printed
from vmpattern.simulation.vm import Vm


def boot_lines(vm: Vm, probed: Health) -> str:
    """Return the output of a VM up to now, given the word of its service."""
    row = vm.row
    lines = [f"[    0.000000] Booting {row.image} as {row.machine_type}"]
    if row.phase is not Phase.PENDING:
        lines += [
            "[    2.104332] systemd[1]: Reached target Network.",
            f"[    2.518020] systemd[1]: Set hostname to <{row.name}>.",
        ]
        lines += (
            _script_lines(vm) if vm.script else ["[    2.907411] systemd[1]: Starting the service...", _end(vm, probed)]
        )
    return "\n".join(lines) + "\n"


def _script_lines(vm: Vm) -> list[str]:
    began = "[    2.907411] systemd[1]: Running the script..."
    if vm.row.phase is Phase.STOPPED:
        return [began, *printed(vm.script), "[   62.000000] systemd[1]: Reached target Power-Off."]
    return [began] if powers_off(vm.script) else [began, *printed(vm.script)]


def _end(vm: Vm, probed: Health) -> str:
    if vm.row.phase is not Phase.RUNNING:
        return "[   99.000000] systemd[1]: Reached target Power-Off."
    if probed is Health.HEALTHY:
        return "[    3.333210] systemd[1]: Started the service."
    if vm.fate.never_ready:
        return "[    3.120945] systemd[1]: The service failed: exit status 1."
    return "[    3.001877] systemd[1]: Waiting for the service to answer."
