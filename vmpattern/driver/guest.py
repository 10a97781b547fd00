"""What a VM runs at its first boot, as one shell script: drivers pass it on as user data, and know nothing of services.

Every image that was baked has an executable `START`, which takes the environment from `ENV` and becomes the service,
and says in `DIGEST` what was baked.
Where there is systemd, the unit `UNIT` runs it; elsewhere the base image's own init does. It waits until `ENV` is
there, which the script of a service's instance writes, so that a service never starts without its environment.
"""

import shlex
from collections.abc import Mapping

from vmpattern.driver.requests import LaunchRequest

FOLDER = "/etc/vmpattern"
ENV = f"{FOLDER}/env"
START = f"{FOLDER}/start"
DIGEST = f"{FOLDER}/digest"
UNIT = "vmpattern.service"

_STARTS_SERVICE = f"""\
#!/bin/sh
set -eu
umask 077
mkdir -p {FOLDER}
printf '%s\\n' {{environment}} > {ENV}.new
mv {ENV}.new {ENV}
if [ -d /run/systemd/system ] && [ -x {START} ]; then systemctl --no-block start {UNIT}; fi
"""


def user_data(request: LaunchRequest) -> str:
    """Return the script that a VM runs as root at its first boot: a builder's own, or what starts the service.

    It is POSIX shell, and holds the environment with its secrets: as secret as the request's `env`.
    """
    lines = environment(request.env, port=request.port)
    return request.script or _STARTS_SERVICE.format(environment=shlex.quote(lines))


def environment(env: Mapping[str, str], *, port: int | None) -> str:
    """Return the lines of `ENV`, to be read by a shell, sorted by name; `PORT` is the service's port unless it is set.

    Example:
        >>> print(environment({"GREETING": "it's on"}, port=8080))
        GREETING='it'"'"'s on'
        PORT=8080
    """
    whole = {**({"PORT": str(port)} if port is not None else {}), **env}
    return "\n".join(f"{name}={shlex.quote(value)}" for name, value in sorted(whole.items()))
