"""Puts tests/support on the path: pytest's importlib mode puts no folder there."""

import sys
from pathlib import Path

SUPPORT = str(Path(__file__).resolve().parents[1] / "support")

if SUPPORT not in sys.path:
    sys.path.insert(0, SUPPORT)
