"""Asking guests for their health through QEMU's user-mode network.

QEMU itself takes every connection to a forwarded port, and then connects to the guest: where that refuses, QEMU closes
at once, and where it says nothing, the connection stays open. So a connection proves something only once QEMU's own
table shows that the guest has taken it.

Source:
    `info usernet` of QEMU 7.2, and what its user-mode network was seen to do (2026-11): closed within 5 ms where the
    guest refuses, `SYN_SENT` for as long as a paused guest says nothing.
"""

import socket
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vmpattern.driver.asking import answers, host_and_port
from vmpattern.errors import DriverError
from vmpattern.model import Health, HealthCheck, InstanceId
from vmpattern_local import process, qmp
from vmpattern_local.vms import Vms

AT_ONCE = 32
PAUSE_S = 0.05
"""Between two looks at what became of a connection."""


def probe(store: Vms, ids: Sequence[InstanceId], check: HealthCheck) -> Mapping[InstanceId, Health]:
    """Ask the VMs that run, at most `AT_ONCE` at a time; those that don't are absent."""
    records = [record for id in ids if (record := store.find(id)) is not None and record.is_ours]
    asked = [
        (InstanceId(record.id), store.folder(record.id), record.address)
        for record in records
        if record.address is not None and record.ends_at is None and process.is_alive(store.folder(record.id))
    ]
    if not asked:
        return {}
    with ThreadPoolExecutor(max_workers=min(AT_ONCE, len(asked))) as pool:
        words = list(pool.map(lambda one: _ask(one[1], one[2], check), asked))
    return {id: word for (id, _, _), word in zip(asked, words, strict=True)}


def _ask(folder: Path, address: str, check: HealthCheck) -> Health:
    """Ask one VM: nothing lies between it and here, so that silence is an answer, too."""
    try:
        serves = answers(address, 0, check) if check.http is not None else accepts(folder, address, check.timeout_s)
    except DriverError:
        return Health.UNKNOWN  # QEMU doesn't tell what became of the connection: it is busy, or ending
    except OSError:
        return Health.UNHEALTHY
    return Health.HEALTHY if serves else Health.UNHEALTHY


def accepts(folder: Path, address: str, timeout_s: float) -> bool:
    """Tell whether a guest takes a connection; one that it closes at once, without a word, counts as refused.

    Raises:
        OSError: there is no such port any more.
        Transient: QEMU doesn't answer.
    """
    host, port = host_and_port(address, 0)
    until = time.monotonic() + timeout_s
    with socket.create_connection((host, port), timeout=timeout_s) as channel:
        while (left := until - time.monotonic()) > 0:
            channel.settimeout(min(PAUSE_S, left))
            try:
                return bool(channel.recv(1))
            except TimeoutError:
                if not qmp.is_connecting(folder, port):
                    return True
    return False
