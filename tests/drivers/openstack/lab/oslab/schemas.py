"""The databases: made once, with every service's tables."""

import shutil
import subprocess
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from oslab.config import DATABASE, MESSAGES
from oslab.place import PASSWORD, REGION, LabError, Place, url
from oslab.services import ENVIRONMENT, entry

DATABASES = ("keystone", "placement", "glance", "neutron", "nova_api", "nova_cell0", "nova", "octavia")
NOVA = ("nova.conf", "nova-database.conf")


def install(place: Place) -> None:
    """Make the database's own files, unless they are there."""
    data = place.state / "mysql"
    if (data / "mysql").is_dir():
        return
    shutil.rmtree(data, ignore_errors=True)
    flags = ["--no-defaults", "--user=root", f"--datadir={data}", "--skip-test-db"]
    _run(place, "mysql-install", ["mariadb-install-db", *flags, "--auth-root-authentication-method=normal"])


def query(place: Place, statement: str) -> str:
    """Run a statement as the database's root, and return what it found, a row a line."""
    command = ["mariadb", "--no-defaults", "-N", "-uroot", "-S", f"{place.state}/mysql.sock", "-e", statement]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"the database refused {statement!r}: {done.stderr.strip()}")
    return done.stdout.strip()


def is_up(place: Place) -> bool:
    """Tell whether the database answers."""
    try:
        query(place, "select 1")
    except LabError:
        return False
    return True


def create(place: Place) -> None:
    """Make every service's database and tables, services side by side.

    Raises:
        LabError: one failed; names its log.
    """
    for name in DATABASES:
        query(place, f"create database if not exists {name} character set utf8mb3")
    query(place, f"create user if not exists 'oslab'@'%' identified by '{PASSWORD}'")
    query(place, "grant all on *.* to 'oslab'@'%'")
    jobs: list[Callable[[Place], None]] = [_keystone, _placement, _glance, _neutron, _nova, _octavia]
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job, place) for job in jobs]:
            done.result()


def _keystone(place: Place) -> None:
    manage = ["keystone-manage", "--config-file", str(place.etc / "keystone.conf")]
    as_root = ["--keystone-user", "root", "--keystone-group", "root"]
    for folder in ("fernet", "credential"):
        place.folder(folder).chmod(0o700)
    _run(place, "keystone-tables", [*manage, "db_sync"])
    _run(place, "keystone-tables", [*manage, "fernet_setup", *as_root])
    _run(place, "keystone-tables", [*manage, "credential_setup", *as_root])
    urls = [f"--bootstrap-{kind}-url={url('keystone', '/v3/')}" for kind in ("admin", "internal", "public")]
    own = [f"--bootstrap-password={PASSWORD}", f"--bootstrap-region-id={REGION}"]
    _run(place, "keystone-tables", [*manage, "bootstrap", *own, *urls])


def _placement(place: Place) -> None:
    configuration = ["--config-file", str(place.etc / "placement.conf")]
    _run(place, "placement-tables", ["placement-manage", *configuration, "db", "sync"])


def _glance(place: Place) -> None:
    _run(place, "glance-tables", [*entry("glance.cmd.manage", "glance-manage", "glance-api.conf")(place), "db_sync"])


def _neutron(place: Place) -> None:
    manage = entry("neutron.db.migration.cli", "neutron-db-manage", "neutron.conf")(place)
    _run(place, "neutron-tables", [*manage, "upgrade", "heads"])


def _nova(place: Place) -> None:
    def manage(*words: str) -> None:
        _run(place, "nova-tables", [*entry("nova.cmd.manage", "nova-manage", *NOVA)(place), *words])

    manage("api_db", "sync")
    manage("cell_v2", "map_cell0", "--database_connection", f"{DATABASE}/nova_cell0")
    cell = ["--database_connection", f"{DATABASE}/nova", "--transport-url", MESSAGES]
    manage("cell_v2", "create_cell", "--name=cell1", *cell)
    manage("db", "sync")


def _octavia(place: Place) -> None:
    authority = [f"{place.state}/octavia-ca.key", "-out", f"{place.state}/octavia-ca.pem"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-days", "3650", "-subj", "/CN=oslab"]
    _run(place, "octavia-tables", [*made, "-passout", "pass:oslab", "-keyout", *authority])
    configuration = ["--config-file", str(place.etc / "octavia.conf")]
    _run(place, "octavia-tables", ["octavia-db-manage", *configuration, "upgrade", "head"])


def _run(place: Place, log: str, command: Sequence[str]) -> None:
    with place.log(log).open("ab") as out:
        done = subprocess.run(command, env=ENVIRONMENT, stdout=out, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(command[:6])} ... failed, see {place.log(log)}")
