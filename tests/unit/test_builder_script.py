"""The builder's script, run for real: in every shell that is here, with a folder for the root of the VM."""

import functools
import http.server
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from vmpattern.bakery.script import Payload, baked_line, builder_script, check_script, failed_line
from vmpattern.driver import guest
from vmpattern.model import Recipe, RemoteFile
from vmpattern.recipe.payload import pack
from vmpattern.simulation.guest import powers_off, printed

SHELLS = [shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])] or [["sh"]]
NONCE, DIGEST = "0123456789abcdef", "46362a584c34"
SERVE = "#!/bin/sh\necho serves\n"


@pytest.fixture(params=SHELLS, ids=lambda shell: " ".join(shell))
def shell(request: pytest.FixtureRequest) -> list[str]:
    return request.param


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder that stands for the root of a VM; powering it off leaves a file."""
    root = tmp_path / "root"
    for folder in ("dev", "etc/systemd/system", "etc/ssh", "sbin", "usr/bin", "var/tmp"):
        (root / folder).mkdir(parents=True)
    program(root / "sbin/poweroff", f"touch {root}/off\n")
    return root


def program(path: Path, text: str) -> None:
    path.write_text("#!/bin/sh\n" + text, "utf-8")
    path.chmod(0o755)


@attrs.frozen
class Built:
    """What a builder did: its exit status, its console, and whether it powered off."""

    status: int
    console: str
    off: bool


def build(
    shell: list[str],
    root: Path,
    *,
    provision: str | None = None,
    variables: dict[str, str] | None = None,
    run: str = "/opt/serve",
    shebang: bool = False,
    remote: dict[str, RemoteFile] | None = None,
    url: str = "",
    payload: bytes | None = None,
    env: dict[str, str] | None = None,
) -> Built:
    here = root.parent
    (here / "serve").write_text(SERVE, "utf-8")
    (here / "serve").chmod(0o755)
    if provision is not None:
        (here / "provision.sh").write_text(provision, "utf-8")
    recipe = Recipe(
        base={"": "debian-12"}, run=run, provision=provision and "provision.sh", files={"/opt/serve": "serve"}
    )
    script = builder_script(
        payload=Payload(data=payload or pack(recipe, here, field="image"), url=url),
        remote=remote or {},
        variables=variables or {},
        run=run,
        digest=DIGEST,
        nonce=NONCE,
        shebang=shebang,
        root=str(root),
    )
    ran = subprocess.run(
        shell, input=script, capture_output=True, text=True, check=False, env={**os.environ, **(env or {})}, timeout=60
    )
    return Built(ran.returncode, ran.stdout + ran.stderr, (root / "off").exists())


def test_a_builder_unpacks_says_so_and_powers_off(shell: list[str], root: Path) -> None:
    built = build(shell, root)

    assert (0, True) == (built.status, built.off), built.console
    assert baked_line(NONCE, DIGEST) in built.console.splitlines()
    assert SERVE == (root / "opt/serve").read_text("utf-8")
    assert 0o755 == (root / "opt/serve").stat().st_mode & 0o777
    assert f"{DIGEST}\n" == (root / guest.DIGEST.lstrip("/")).read_text("utf-8")


def test_the_script_provisions_with_a_clean_environment_and_is_gone_afterwards(shell: list[str], root: Path) -> None:
    built = build(shell, root, provision=f"env > {root}/env\n", env={"TOKEN": "s3cret"})
    env = dict(line.split("=", 1) for line in (root / "env").read_text("utf-8").splitlines())

    assert built.off
    assert {"HOME", "LANG", "PATH"} == env.keys() - {"PWD", "SHLVL", "_", "OLDPWD"}
    assert not (root / "etc/vmpattern/provision").exists()


def test_the_script_finds_its_variables_as_they_are_written(shell: list[str], root: Path) -> None:
    variables = {"VERSION": "1.4", "GREETING": 'it\'s $HOME, "quoted"', "EMPTY": ""}
    built = build(shell, root, provision=f"env > {root}/env\n", variables=variables)
    env = dict(line.split("=", 1) for line in (root / "env").read_text("utf-8").splitlines())

    assert built.off, built.console
    assert variables.items() <= env.items()


def test_a_script_that_says_by_what_it_is_run_is_run_by_that(shell: list[str], root: Path) -> None:
    program(root / "usr/bin/interpreter", f"cp $1 {root}/seen\n")
    built = build(shell, root, provision=f"#!{root}/usr/bin/interpreter\nnot a shell's\n", shebang=True)

    assert built.off, built.console
    assert "not a shell's" in (root / "seen").read_text("utf-8")


@pytest.mark.parametrize(
    ("provision", "told"),
    [
        pytest.param("echo broken >&2; exit 7\n", "status 7", id="it fails"),
        pytest.param("set -e; false; true\n", "status 1", id="a command of it fails"),
        pytest.param("kill -9 $$\n", "status 137", id="it is killed"),
        pytest.param("exit 3; echo 'vmpattern-baked'\n", "status 3", id="it looks like success"),
        pytest.param("printf '\\377\\000vmpattern-baked 0 0\\n'; exit 1", "status 1", id="it prints garbage"),
    ],
)
def test_a_builder_whose_provisioning_fails_stays_up_and_says_so(
    shell: list[str], root: Path, provision: str, told: str
) -> None:
    built = build(shell, root, provision=provision.replace("\\377", ""))

    assert built.status != 0
    assert not built.off
    assert failed_line(NONCE) in built.console
    assert told in built.console
    assert baked_line(NONCE, DIGEST) not in built.console


def test_a_builder_without_the_program_that_it_is_to_run_fails(shell: list[str], root: Path) -> None:
    built = build(shell, root, run="/opt/sreve --port 80")

    assert not built.off
    assert "run names /opt/sreve" in built.console


def test_a_payload_that_was_cut_short_fails(shell: list[str], root: Path, tmp_path: Path) -> None:
    (tmp_path / "serve").write_text(SERVE, "utf-8")
    whole = pack(Recipe(base={"": "b"}, run="x", files={"/opt/serve": "serve"}), tmp_path, field="image")
    built = build(shell, root, payload=whole[:-20])

    assert not built.off
    assert failed_line(NONCE) in built.console


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder and the URL under which it is served."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def sha256(data: bytes) -> str:
    import hashlib

    return hashlib.sha256(data).hexdigest()


def test_what_has_a_url_is_fetched_and_can_be_run(shell: list[str], root: Path, served: tuple[Path, str]) -> None:
    (served[0] / "tool").write_bytes(b"#!/bin/sh\necho tool\n")
    remote = {"/usr/local/bin/tool": RemoteFile(url=f"{served[1]}/tool", sha256=sha256(b"#!/bin/sh\necho tool\n"))}
    built = build(shell, root, remote=remote, provision=f"{root}/usr/local/bin/tool > {root}/said\n")

    assert built.off, built.console
    assert "tool\n" == (root / "said").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "told"),
    [pytest.param("other", "isn't what was expected", id="other bytes"), pytest.param("none", "fetched", id="nothing")],
)
def test_what_is_fetched_and_isnt_as_written_fails(
    shell: list[str], root: Path, served: tuple[Path, str], name: str, told: str
) -> None:
    (served[0] / "other").write_bytes(b"something else")
    remote = {"/opt/tool": RemoteFile(url=f"{served[1]}/{name}", sha256=sha256(b"tool"))}
    built = build(shell, root, remote=remote)

    assert not built.off
    assert told in built.console


def test_staged_files_are_fetched_verified_and_unpacked(
    shell: list[str], root: Path, served: tuple[Path, str], tmp_path: Path
) -> None:
    (tmp_path / "serve").write_text(SERVE, "utf-8")
    data = pack(Recipe(base={"": "b"}, run="x", files={"/opt/staged": "serve"}), tmp_path, field="image")
    (served[0] / "payload").write_bytes(data)
    built = build(shell, root, payload=data, url=f"{served[1]}/payload", run="/opt/staged")

    assert not built.off  # not executable: it was packed as a plain file
    assert SERVE == (root / "opt/staged").read_text("utf-8")
    assert [] == list((root / "var/tmp").iterdir())


def test_the_unit_is_written_and_enabled_where_there_is_systemd(shell: list[str], root: Path) -> None:
    build(shell, root)
    unit = root / "etc/systemd/system" / guest.UNIT
    enabled = root / "etc/systemd/system/multi-user.target.wants" / guest.UNIT

    assert f"ExecStart={guest.START}" in unit.read_text("utf-8")
    assert unit.resolve() == enabled.resolve()


def test_without_systemd_no_unit_is_written(shell: list[str], root: Path) -> None:
    (root / "etc/systemd/system").rmdir()
    build(shell, root)

    assert not (root / "etc/systemd/system").exists()
    assert (root / guest.START.lstrip("/")).stat().st_mode & 0o100


def test_what_a_first_boot_makes_is_reset(shell: list[str], root: Path) -> None:
    program(root / "usr/bin/cloud-init", f'echo "$*" > {root}/cleaned\n')
    (root / "etc/ssh/ssh_host_rsa_key").write_text("key", "utf-8")
    (root / "etc/vmpattern").mkdir()
    (root / "etc/vmpattern/env").write_text("A=1", "utf-8")
    (root / "etc/machine-id").write_text("abc", "utf-8")
    (root / "run/systemd/system").mkdir(parents=True)
    build(shell, root)

    assert "clean --logs\n" == (root / "cleaned").read_text("utf-8")
    assert not (root / "etc/ssh/ssh_host_rsa_key").exists()
    assert not (root / "etc/vmpattern/env").exists()
    assert "" == (root / "etc/machine-id").read_text("utf-8")


@pytest.mark.parametrize(
    ("run", "said"),
    [
        pytest.param("sh {root}/opt/say one '$GREETING'", "one $GREETING", id="quotes"),
        pytest.param('sh {root}/opt/say "$GREETING"', "it's on", id="a variable"),
        pytest.param("cd / && {root}/opt/say $PWD", "/", id="a compound command"),
        pytest.param("X=1 {root}/opt/say x", "x", id="an assignment"),
    ],
)
def test_the_start_program_becomes_the_command_with_its_environment(
    shell: list[str], root: Path, run: str, said: str
) -> None:
    (root / "opt").mkdir()
    program(root / "opt/say", 'echo "$*"\n')
    build(shell, root, run=run.format(root=root))
    start = (root / guest.START.lstrip("/")).read_text("utf-8")
    (root / "env").write_text(guest.environment({"GREETING": "it's on"}, port=8080), "utf-8")
    ran = subprocess.run(
        shell, input=start.replace(guest.ENV, f"{root}/env"), capture_output=True, text=True, check=True
    )

    assert f"{said}\n" == ran.stdout


def test_no_line_of_the_script_looks_like_what_it_prints() -> None:
    script = builder_script(payload=Payload(data=b""), remote={}, variables={}, run="x", digest=DIGEST, nonce=NONCE)

    assert baked_line(NONCE, DIGEST) not in script
    assert failed_line(NONCE) not in script


def test_the_simulated_cloud_follows_the_scripts() -> None:
    script = builder_script(
        payload=Payload(data=b"exit"), remote={}, variables={}, run="exit 1", digest=DIGEST, nonce=NONCE
    )

    assert [baked_line(NONCE, DIGEST)] == list(printed(script))
    assert powers_off(script)
    assert powers_off(check_script(DIGEST))
