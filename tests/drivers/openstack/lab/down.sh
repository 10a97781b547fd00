#!/bin/bash
# Stops what up.sh started, by process id. --purge removes the state as well.
set -euo pipefail
exec env PYTHONPATH="$(cd "$(dirname "$0")" && pwd)" /usr/bin/python3 -s -m oslab down "$@"
