"""What every test stands on: this checkout installed, Hypothesis profiles, no network."""

import atexit
import os
import shutil
import signal
import socket
import sys
import tempfile
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = 100


def is_installed_from(root: Path) -> bool:
    specs = [find_spec(name) for name in ("vmpattern", "vmpattern_memory")]
    from_here = all(spec and spec.origin and root in Path(spec.origin).resolve().parents for spec in specs)
    return from_here and bool(entry_points(group="vmpattern.drivers", name="memory"))


def pytest_configure() -> None:
    if not is_installed_from(ROOT):
        raise pytest.UsageError("this checkout of vmpattern isn't installed: run  python -m pip install -e '.[dev]'")
    # Whoever started the tests may ignore it, as nohup does; what they start would inherit that.
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    register_profiles()
    keep_state_apart()
    sys.addaudithook(refuse_network)


def keep_state_apart() -> None:
    """Locks and records of tests are in no user's folder."""
    folder = tempfile.mkdtemp(prefix="vmpattern-state-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["XDG_STATE_HOME"] = folder


def register_profiles() -> None:
    """`ci` draws the same examples for the same code; `long` draws new ones, a hundred times as many."""
    from hypothesis import HealthCheck, settings

    shared = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
    settings.register_profile("ci", shared, max_examples=EXAMPLES, derandomize=True)
    settings.register_profile("long", shared, max_examples=100 * EXAMPLES)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))


def refuse_network(event: str, arguments: tuple) -> None:
    """Tests reach this machine only."""
    if event == "socket.connect" and arguments[0].family in (socket.AF_INET, socket.AF_INET6):
        host = str(arguments[1][0])
        if not host.startswith("127.") and host not in ("::1", "localhost"):
            raise RuntimeError(f"a test connects to {host}: tests run without a network")
