"""Images of this machine run in a cloud: started as Nova's libvirt driver starts them, and told who they are by HTTP.

QEMU leads the address of the metadata service to a program that answers from a folder; the rest is a real VM.
"""

import contextlib
import hashlib
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs
import metadata_service
import pytest
from local_vms import PATIENCE_S, cleared, local, needs_qemu, one_vm, request, wait

import vmpattern as vmp
from vmpattern.driver import LaunchRequest
from vmpattern.errors import Invalid, QuotaExceeded
from vmpattern_local import cloudboot, cpio, guest, parts, qmp
from vmpattern_local.qmp import SOCKET
from vmpattern_openstack import disks, servers

GIB = 2**30
FILE = one_vm("""\
base = "alpine"
files = { "serve" = "/opt/serve", "answer" = "/opt/answer" }
run = "/opt/serve"
""")
SERVE = """\
#!/bin/sh
echo start >> /var/starts
exec nc -lk -p "$PORT" -e /opt/answer
"""
ANSWER = """\
#!/bin/sh
read -r method path version
while read -r line && [ "${line%?}" ]; do :; done
[ "$path" != /end ] || kill $PPID
text="$GREETING from $(hostname), started $(grep -c start /var/starts) times"
printf 'HTTP/1.0 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s' ${#text} "$text"
"""

# -- a real VM --------------------------------------------------------------------------------------------------------


@attrs.frozen
class Server:
    """A VM as Nova starts it."""

    folder: Path
    process: "subprocess.Popen[bytes]"

    def console(self) -> str:
        return (self.folder / "console.log").read_text(errors="replace")

    def get(self, path: str = "/") -> str:
        """Ask its service; no answer is an empty one."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{qmp.forwarded_port(self.folder)}{path}", timeout=5) as got:
                return got.read().decode()
        except OSError:
            return ""

    def press_power_button(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"system_powerdown\n")
        self.process.stdin.flush()


@contextlib.contextmanager
def launched(image: Path, folder: Path, metadata: Mapping[str, bytes]) -> Iterator[Server]:
    """Start a server from an exported image: the disk is an overlay of the flavor's size, the network is link-local."""
    for path, data in metadata.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    (folder / "console.log").touch()
    overlay = ("create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(image / disks.DISK), "disk", "2G")
    subprocess.run(["qemu-img", *overlay], cwd=folder, check=True, timeout=60)
    service = shlex.join([sys.executable, "-I", metadata_service.__file__, str(folder)]).replace(",", ",,")
    command = (
        *("qemu-system-x86_64", "-machine", "pc", "-accel", "tcg", "-cpu", "qemu64", "-smp", "1", "-m", "128"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-vga", "std", "-device", "virtio-balloon-pci"),
        *("-kernel", image / disks.KERNEL, "-initrd", image / disks.INITRD),
        *("-append", (image / disks.COMMAND_LINE).read_text()),
        *("-drive", "file=disk,if=none,id=disk,format=qcow2,cache=unsafe", "-device", "virtio-blk-pci,drive=disk"),
        "-netdev",
        f"user,id=net,net=169.254.0.0/16,hostfwd=tcp:127.0.0.1:0-:8080,guestfwd=tcp:169.254.169.254:80-cmd:{service}",
        *("-device", "virtio-net-pci,netdev=net", "-serial", "file:console.log"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off", "-monitor", "stdio"),
    )
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as runs:
        try:
            yield Server(folder, runs)
        finally:
            runs.kill()


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A service that was baked here, as a folder for a cloud."""
    folder = tmp_path_factory.mktemp("baked")
    (folder / "vmpattern.toml").write_text(FILE)
    for name, text in {"serve": SERVE, "answer": ANSWER}.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    deployment = vmp.load(folder / "vmpattern.toml")
    with cleared(folder):
        (result,) = vmp.bake(deployment, locks=folder).results
    assert result.image is not None
    local(folder).export(result.image, folder / "web")
    return folder / "web"


def told(wanted: LaunchRequest) -> dict[str, bytes]:
    """Return what Nova's metadata service tells a server, by path."""
    return {
        "openstack/latest/user_data": servers.user_data(wanted),
        "2009-04-04/meta-data/hostname": b"web-1.novalocal",
    }


@pytest.fixture(scope="module")
def server(exported: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server that runs it; the metadata service is busy when it is asked first."""
    wanted = request(env={"GREETING": "it's me"}, port=8080)
    with launched(exported, tmp_path_factory.mktemp("server"), {"busy": b"", **told(wanted)}) as made:
        wait(lambda: made.process.poll() is not None or made.get(), "the service")
        yield made


@needs_qemu
def test_a_service_that_was_baked_here_answers_in_a_cloud_with_its_environment(server: Server) -> None:
    assert "it's me from web-1, started 1 times" == server.get()
    assert "503 Service Unavailable" in server.console()


@needs_qemu
def test_the_disk_is_as_large_as_the_flavors(server: Server) -> None:
    assert f"is now {2 * GIB // 4096} (4k) blocks long" in server.console()


@needs_qemu
def test_a_service_that_ends_in_a_cloud_is_started_again(server: Server) -> None:
    server.get("/end")
    wait(lambda: "started 2 times" in server.get(), "the service's second start")


@needs_qemu
def test_a_server_powers_off_when_its_power_button_is_pressed(server: Server) -> None:
    server.press_power_button()

    assert 0 == server.process.wait(PATIENCE_S)
    assert guest.STOPS in server.console()


@needs_qemu
def test_a_builder_in_a_cloud_powers_off_once_its_script_does(exported: Path, tmp_path: Path) -> None:
    script = "#!/bin/sh\necho 'the script has run'\npoweroff\n"
    with launched(exported, tmp_path, told(request(script=script))) as made:
        assert 0 == made.process.wait(PATIENCE_S)
        assert "the script has run" in made.console()


@needs_qemu
@pytest.mark.long
def test_a_server_without_a_metadata_service_says_so_and_powers_off(exported: Path, tmp_path: Path) -> None:
    with launched(exported, tmp_path, {}) as made:
        made.process.wait(PATIENCE_S + 300)

        assert "the metadata service doesn't tell 2009-04-04/meta-data/hostname" in made.console()


# -- the folder -------------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> str:
    """A base whose disk lies on top of another."""
    folder = tmp_path / "local/bases/disk-0123"
    folder.mkdir(parents=True)
    for name, below in (("below.qcow2", ()), (disks.DISK, ("-F", "qcow2", "-b", str(folder / "below.qcow2")))):
        subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", *below, folder / name, "1G"], check=True, timeout=60)
    (folder / disks.KERNEL).write_text("kernel")
    (folder / disks.INITRD).write_bytes(cpio.write([cpio.Entry("init", 0o100755, b"here")]))
    return folder.name


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@needs_qemu
def test_the_same_image_is_exported_as_the_same_whole_disk_and_stays_as_it_is(base: str, tmp_path: Path) -> None:
    before = contents(tmp_path / "local")
    for name in ("a", "b"):
        local(tmp_path).export(base, tmp_path / "out" / name)

    assert contents(tmp_path / "out/a") == contents(tmp_path / "out/b")
    assert disks.read(tmp_path / "out/a").boot is not None
    assert before == contents(tmp_path / "local")


@needs_qemu
def test_a_folder_that_is_there_is_refused_and_left_alone(base: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()

    with pytest.raises(Invalid, match="out is there already"):
        local(tmp_path).export(base, tmp_path / "out")
    assert {} == contents(tmp_path / "out")


def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="there is no image img-123"):
        local(tmp_path).export("img-123", tmp_path / "out")


@needs_qemu
def test_a_disk_that_gets_full_leaves_no_part_of_a_folder(base: str, tmp_path: Path) -> None:
    programs = tmp_path / "programs"
    programs.mkdir()
    for name in (parts.SYSTEM, parts.IMAGES):
        (programs / name).write_text("#!/bin/sh\necho 'qemu-img: No space left on device' >&2\nexit 1\n")
        (programs / name).chmod(0o755)

    with pytest.raises(QuotaExceeded, match="make room"):
        local(tmp_path, programs=str(programs)).export(base, tmp_path / "out/a")
    assert [] == list((tmp_path / "out").iterdir())


# -- the first file system --------------------------------------------------------------------------------------------


def test_a_cloud_boots_with_the_modules_of_here_and_a_first_program_of_its_own() -> None:
    here = [cpio.Entry("lib/ext4.ko", 0o100644, b"ext4"), cpio.Entry("init", 0o100755, b"here")]
    made = {entry.name: entry for entry in cpio.read(cloudboot.first_files(cpio.write(here)))}

    assert here[0] == made["lib/ext4.ko"]
    assert b"udhcpc" in made["init"].body
    assert 0o100700 == made["vmpattern/user-data"].mode


@pytest.mark.parametrize(
    ("options", "routes"),
    [
        pytest.param({"router": "10.0.0.1 10.0.0.9"}, ["0.0.0.0/0 via 10.0.0.1"], id="the first router"),
        pytest.param(
            {"router": "10.0.0.1", "staticroutes": "169.254.169.254/32 10.0.0.2 0.0.0.0/0 10.0.0.3"},
            ["169.254.169.254/32 via 10.0.0.2", "0.0.0.0/0 via 10.0.0.3"],
            id="routes in place of the router",
        ),
        pytest.param({"staticroutes": "10.1.0.0/16 0.0.0.0"}, ["10.1.0.0/16"], id="a route without a gateway"),
        pytest.param({}, [], id="no router"),
    ],
)
def test_a_lease_sets_address_and_routes(options: dict[str, str], routes: list[str], tmp_path: Path) -> None:
    made = {entry.name: entry.body.decode() for entry in cpio.read(cloudboot.first_files(cpio.write([])))}
    (tmp_path / "etc").mkdir()
    script = made["vmpattern/lease"].replace("/usr/bin/busybox\n", "echo\n").replace("/new/", f"{tmp_path}/")
    lease = {"interface": "eth0", "ip": "10.0.0.7", "mask": "24", "mtu": "1442", "dns": "10.0.0.2 10.0.0.4", **options}
    ran = subprocess.run(["sh", "-c", script, "sh", "bound"], env=lease, capture_output=True, text=True, check=True)

    assert [
        "ip link set eth0 mtu 1442",
        "ip addr add 10.0.0.7/24 dev eth0",
        *(f"ip route add {route} dev eth0" for route in routes),
    ] == ran.stdout.splitlines()
    assert "nameserver 10.0.0.2\nnameserver 10.0.0.4\n" == (tmp_path / "etc/resolv.conf").read_text()
