"""Starting the cloud of tests in a process of its own, and talking to the layer."""

import contextlib
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import attrs

SUPPORT = Path(__file__).resolve().parents[1]
REGION = "us-east-1"


@attrs.frozen
class Cloud:
    url: str

    def ask(self, verb: str, **said: object):
        """Ask the layer."""
        request = urllib.request.Request(f"{self.url}/__cloud/{verb}", json.dumps(said).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())

    def reset(self) -> None:
        """Begin anew: an empty account, and the layer's usual settings."""
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST"), timeout=30).close()
        self.ask("reset")


@contextlib.contextmanager
def serving() -> Iterator[Cloud]:
    """Serve until the block is left."""
    environ = {**os.environ, "PYTHONPATH": os.fspath(SUPPORT), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "aws_cloud"]
    with subprocess.Popen(
        command, env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=SUPPORT
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        url = process.stdout.readline().strip()
        try:
            yield Cloud(url)
        finally:
            process.stdin.close()
            process.wait(timeout=20)
