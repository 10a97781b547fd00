"""Every process of the lab: what is called, and what must answer before it counts as up."""

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from oslab.place import HERE, IP, PORTS, RABBIT_DISTRIBUTION, Place

ENVIRONMENT = {
    "LC_ALL": "C.UTF-8",
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/nonexistent",
    "no_proxy": f"{IP},localhost",
}


@dataclass(frozen=True)
class Service:
    """One process: its command, what it needs in its environment, the path at which it answers if it has one."""

    name: str
    command: Callable[[Place], list[str]]
    environment: Callable[[Place], dict[str, str]] = lambda place: {}
    path: str | None = None
    listens: bool = True


def entry(module: str, program: str, *configuration: str) -> Callable[[Place], list[str]]:
    """Return the command of a program of OpenStack's that has no executable of its own."""

    def command(place: Place) -> list[str]:
        files = [word for name in configuration for word in ("--config-file", str(place.etc / name))]
        logged = ["--log-file", str(place.log(program))] if program.startswith(("nova", "octavia")) else []
        return [sys.executable, "-s", str(HERE / "entry.py"), module, "main", program, *files, *logged]

    return command


def _wsgi(name: str, script: str, *arguments: str) -> Callable[[Place], list[str]]:
    def command(place: Place) -> list[str]:
        given = " ".join(arguments).format(etc=place.etc, log=place.folder("log"))
        # Clients would use a connection again that uwsgi is about to drop, hence "close".
        return [
            *("uwsgi_python3", "--http-socket", f"{IP}:{PORTS[name]}", "--wsgi-file", script, "--need-app"),
            *("--master", "--processes", "1", "--threads", "8", "--enable-threads", "--lazy-apps", "--die-on-term"),
            *("--add-header", "Connection: close", "--buffer-size", "65535", "--listen", "100", "--disable-logging"),
            *(("--pyargv", given) if given else ()),
        ]

    return command


def _mariadb(place: Place) -> list[str]:
    data = place.state / "mysql"
    return [
        *("mariadbd", "--no-defaults", "--user=root", f"--datadir={data}", f"--socket={place.state}/mysql.sock"),
        *(f"--pid-file={place.state}/mysql.pid", f"--bind-address={IP}", f"--port={PORTS['mariadb']}"),
        *("--skip-name-resolve", "--skip-log-bin", "--max-connections=600", "--character-set-server=utf8mb3"),
        # Nobody minds if this database is lost with the machine.
        *("--innodb-flush-log-at-trx-commit=0", "--innodb-doublewrite=0", "--innodb-flush-method=nosync"),
        *("--innodb-buffer-pool-size=512M", "--performance-schema=off"),
    ]


def _rabbitmq(place: Place) -> list[str]:
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return [str(found[-1])]


def _rabbitmq_environment(place: Place) -> dict[str, str]:
    own = place.folder("rabbit")
    (own / "plugins").write_text("[].\n")
    return {
        "HOME": str(own),
        "ERL_EPMD_PORT": str(PORTS["epmd"]),
        "ERL_EPMD_ADDRESS": IP,
        "RABBITMQ_NODENAME": "oslab@localhost",
        "RABBITMQ_NODE_PORT": str(PORTS["rabbitmq"]),
        "RABBITMQ_NODE_IP_ADDRESS": IP,
        "RABBITMQ_DIST_PORT": str(RABBIT_DISTRIBUTION),
        "RABBITMQ_MNESIA_BASE": str(own / "mnesia"),
        "RABBITMQ_LOG_BASE": str(own / "log"),
        "RABBITMQ_CONFIG_FILE": str(place.etc / "rabbitmq.conf"),
        "RABBITMQ_ENABLED_PLUGINS_FILE": str(own / "plugins"),
        "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}",
    }


def _etc_as(variable: str) -> Callable[[Place], dict[str, str]]:
    return lambda place: {variable: str(place.etc)}


def _plugins(place: Place) -> dict[str, str]:
    return {"PYTHONPATH": f"{HERE / 'plugins'}:{place.state / 'plugins'}"}


NOVA = ("nova.conf", "nova-database.conf")
OCTAVIA_ARGUMENTS = ("--config-file", "{etc}/octavia.conf", "--log-file", "{log}/octavia-api.log")

FOUNDATION = (
    Service("mariadb", _mariadb),
    Service("epmd", lambda place: ["epmd", "-address", IP, "-port", str(PORTS["epmd"])]),
    Service("rabbitmq", _rabbitmq, _rabbitmq_environment),
)
KEYSTONE = Service(
    "keystone", _wsgi("keystone", "/usr/bin/keystone-wsgi-public"), _etc_as("OS_KEYSTONE_CONFIG_DIR"), path="/v3"
)
PLACEMENT = Service(
    "placement", _wsgi("placement", "/usr/bin/placement-api"), _etc_as("OS_PLACEMENT_CONFIG_DIR"), path="/"
)
APIS = (
    Service("nova-api", entry("nova.cmd.api_os_compute", "nova-api", "nova.conf", "nova-api-database.conf"), path="/"),
    Service(
        "neutron",
        entry("neutron.cmd.eventlet.server", "neutron", "neutron.conf"),
        _plugins,
        path="/",
    ),
    Service("glance", entry("glance.cmd.api", "glance", "glance-api.conf"), path="/"),
    Service("octavia-api", _wsgi("octavia-api", "/usr/bin/octavia-wsgi", *OCTAVIA_ARGUMENTS), path="/"),
    Service("swift", entry("oslab_swift", "swift", "swift.conf"), _plugins, path="/info"),
)


def workers(place: Place) -> tuple[Service, ...]:
    """Return what works behind the APIs; nova-scheduler and nova-compute want Placement to answer when they start."""
    computes = tuple(
        Service(
            f"nova-compute{number}",
            entry("nova.cmd.compute", f"nova-compute{number}", "nova.conf", f"compute{number}.conf"),
            listens=False,
        )
        for number in range(1, place.computes + 1)
    )
    return (
        Service("nova-conductor", entry("nova.cmd.conductor", "nova-conductor", *NOVA), listens=False),
        Service("nova-scheduler", entry("nova.cmd.scheduler", "nova-scheduler", *NOVA), listens=False),
        *computes,
        Service("octavia-worker", entry("octavia.cmd.octavia_worker", "octavia-worker", "octavia.conf"), listens=False),
    )


def every(place: Place) -> tuple[Service, ...]:
    """Return all of them, in the order in which they start."""
    return (*FOUNDATION, KEYSTONE, PLACEMENT, *APIS, *workers(place))


def environment_of(service: Service, place: Place) -> dict[str, str]:
    """Return all that a service has in its environment: nothing of whoever brings the lab up."""
    return {**ENVIRONMENT, **service.environment(place)}


def lacking() -> list[str]:
    """Return the programs that aren't installed."""
    needed = ("mariadbd", "mariadb", "epmd", "uwsgi_python3", "openssl")
    return [name for name in needed if shutil.which(name, path=ENVIRONMENT["PATH"]) is None]
