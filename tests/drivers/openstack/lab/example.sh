#!/bin/bash
# Runs the example for OpenStack on the lab, which must be up: example.sh PYTHON.
set -euo pipefail
lab=$(cd "$(dirname "$0")" && pwd)
export OS_CLOUD=oslab OS_CLIENT_CONFIG_FILE="${OSLAB_STATE:-/var/tmp/vmpattern-oslab}/clouds.yaml"
exec "$1" "$lab/../../../../examples/openstack/run.py" debian-12 oslab-net
