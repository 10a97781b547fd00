"""python3 -m oslab COMMAND: brings the lab up, down, back to its beginning, or one service down and up again.

    up                start what isn't running, set up what isn't there
    up --reset        put everything back as it was after the first set-up
    down [--purge]    stop everything; --purge removes the state
    restart NAME...   stop services and start them again, with the settings of now
    status            say what runs

Settings are environment variables, see place.py.
"""

import fcntl
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable

from oslab import config, schemas, seeding, services, waiting
from oslab.place import PORTS, LabError, Place
from oslab.processes import Processes
from oslab.services import Service

FIRST_OF_ALL = {"mariadb", "epmd", "rabbitmq"}


class Lab:
    """The lab in one folder."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.processes = Processes(place)

    def up(self, *, reset: bool) -> None:
        """Start everything that isn't running, and set up what isn't there.

        Raises:
            LabError: a program, a port, or a service's start is lacking.
        """
        if lacking := services.lacking():
            raise LabError(f"these programs aren't installed: {', '.join(lacking)}; up.sh installs them")
        first = not self.place.seeded.exists()
        if not first and self.place.seeded.read_text() != seeding.CONTENTS:
            raise LabError(f"{self.place.state} is of another version of the lab: down.sh --purge removes it")
        if first:
            self.down(purge=True)  # what a set-up that was cut short has left
        if reset:
            self._reset()
        self._claim_ports()
        for folder in ("images", "staging", "swift", "lock"):
            self.place.folder(folder)
        config.write(self.place)
        schemas.install(self.place)
        self._start(services.FOUNDATION[:1])
        waiting.until(lambda: schemas.is_up(self.place), "the database answers")
        self._start(services.FOUNDATION[1:])
        if first:
            say("making the tables")
            schemas.create(self.place)
        self._start([services.KEYSTONE])
        if first:
            seeding.users_and_endpoints()
        # Nova's scheduler and compute service end for good if these don't answer.
        self._start([services.PLACEMENT])
        self._start([*services.APIS, *services.workers(self.place)])
        self._wait_for_computes()
        if first:
            say("making flavors, an image, networks and a balancer")
            seeding.things()
            self._keep_copy()
        self._check()

    def down(self, *, purge: bool) -> None:
        """Stop everything, the services before what they stand on."""
        names = self.processes.names()
        self.processes.stop(name for name in names if name not in FIRST_OF_ALL)
        self.processes.stop(name for name in names if name in FIRST_OF_ALL)
        if purge:
            shutil.rmtree(self.place.state)

    def restart(self, names: Iterable[str]) -> None:
        """Stop services and start them again.

        Raises:
            LabError: there is no such service, or it doesn't come back.
        """
        config.write(self.place)
        known = {service.name: service for service in services.every(self.place)}
        for name in names:
            if name not in known:
                raise LabError(f"there is no service {name}; there are: {', '.join(known)}")
            self.processes.stop([name])
            self._start([known[name]])

    def _start(self, chosen: Iterable[Service]) -> None:
        some = list(chosen)
        for service in some:
            command = service.command(self.place)
            self.processes.start(service.name, command, services.environment_of(service, self.place))
        for service in some:
            if service.listens:
                waiting.for_service(self.place, self.processes, service.name, service.path)

    def _claim_ports(self) -> None:
        for name, port in PORTS.items():
            if waiting.is_open(port) and not self.processes.is_alive(name):
                raise LabError(f"port {port}, which {name} needs, is taken by a process that isn't the lab's")

    def _wait_for_computes(self) -> None:
        mapped = "select count(*) from nova_api.host_mappings"
        # Reported by those that run now, not by those of an earlier time.
        fresh = "updated_at >= utc_timestamp() - interval 60 second"
        alive = f"select count(*) from nova.services where `binary` = 'nova-compute' and deleted = 0 and {fresh}"

        def ready() -> bool:
            return all(int(schemas.query(self.place, one)) >= self.place.computes for one in (mapped, alive))

        waiting.until(ready, "nova-compute reports", alive=lambda: self.processes.is_alive("nova-compute1"))

    def _keep_copy(self) -> None:
        """Copy the databases, at rest, so that --reset can put them back."""
        self.processes.stop(["mariadb"])
        copy = ["tar", "-C", self.place.state, "-cf", self.place.state / "first.tar", "mysql", "images"]
        subprocess.run(copy, check=True)
        self._start(services.FOUNDATION[:1])
        waiting.until(lambda: schemas.is_up(self.place), "the database answers again")
        self.place.seeded.write_text(seeding.CONTENTS)

    def _reset(self) -> None:
        self.down(purge=False)
        if not self.place.seeded.exists():
            return
        for name in ("mysql", "rabbit", "images", "swift"):
            shutil.rmtree(self.place.state / name, ignore_errors=True)
        subprocess.run(["tar", "-C", self.place.state, "-xf", self.place.state / "first.tar"], check=True)

    def _check(self) -> None:
        if ended := [name for name in self.processes.names() if not self.processes.is_alive(name)]:
            raise LabError(f"these have ended: {', '.join(ended)}; see the logs in {self.place.folder('log')}")


def say(text: str) -> None:
    print(f"oslab: {text}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    command, *rest = arguments or ["help"]
    place = Place.from_environment()
    place.state.mkdir(parents=True, exist_ok=True)
    lab = Lab(place)
    began = time.monotonic()
    with (place.state.parent / f".{place.state.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            match command:
                case "up":
                    lab.up(reset="--reset" in rest)
                    say(f"up after {time.monotonic() - began:.0f} s; its clouds.yaml: {place.state / 'clouds.yaml'}")
                case "down":
                    lab.down(purge="--purge" in rest)
                case "restart":
                    lab.restart(rest)
                case "status":
                    for name in lab.processes.names():
                        print(f"{name:16} {'runs' if lab.processes.is_alive(name) else 'has ended'}")
                case _:
                    print(__doc__, file=sys.stderr)
                    return 64
        except LabError as error:
            say(f"failed: {error}")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
