"""Whether KVM works here: a kernel is booted with it once, and the answer is kept until this machine boots again.

That the device is there says little: guests have been seen to hang with it while QEMU says that they run.
"""

import json
import os
from pathlib import Path

from vmpattern.errors import Invalid
from vmpattern_local import files, process
from vmpattern_local.parts import Qemu
from vmpattern_local.settings import Acceleration

ANSWER = "accelerator.json"
DEVICE = Path("/dev/kvm")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
PROBE_S = 5.0


def choose(wanted: Acceleration, qemu: Qemu, kernel: Path, initrd: Path, *, root: Path) -> str:
    """Return the accelerator for a VM.

    Raises:
        Invalid: KVM is wanted and doesn't work.
    """
    if wanted is Acceleration.TCG or not os.access(DEVICE, os.R_OK | os.W_OK):
        works = False
    else:
        works = _works(qemu, kernel, initrd, root=root)
    if works or wanted is not Acceleration.KVM:
        return "kvm" if works else "tcg"
    text = f'KVM doesn\'t work here: see whether {DEVICE} may be used, or leave `acceleration = "kvm"` away'
    raise Invalid(text, code="NoKvm", field="acceleration")


def _works(qemu: Qemu, kernel: Path, initrd: Path, *, root: Path) -> bool:
    asked = {"boot": BOOT_ID.read_text().strip(), "qemu": str(qemu.system), "user": str(os.getuid())}
    kept = files.table(root / ANSWER)
    if asked == {name: kept.get(name) for name in asked}:
        return kept.get("works") is True
    boot = process.Boot(kernel=kernel, initrd=initrd, accelerator="kvm")
    works = process.try_out(qemu, boot, folder=root, timeout_s=PROBE_S)
    files.write(root / ANSWER, json.dumps({**asked, "works": works}).encode())
    return works
