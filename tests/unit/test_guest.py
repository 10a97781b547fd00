"""What a VM runs at its first boot: the shell gives back the environment as it was asked for."""

import subprocess
from pathlib import Path

import attrs
from hypothesis import given, strategies as st

from vmpattern.driver import LaunchRequest, guest
from vmpattern.model import ImageId, LaunchKey, Market, Revision

REQUEST = LaunchRequest(
    key=LaunchKey("k1"),
    count=1,
    deployment="shop",
    fleet="web",
    revision=Revision("r1"),
    zone="a",
    machine_type="small",
    market=Market.ON_DEMAND,
    image=ImageId("img-1"),
    port=8080,
    env={"GREETING": "it's\n$HOME `date` {x} END"},
)
NAMES = st.from_regex(r"VM_[A-Z][A-Z0-9_]{0,10}", fullmatch=True)
VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40)


def shell(script: str, *words: str) -> str:
    return subprocess.run(["sh", "-c", script, "sh", *words], capture_output=True, check=True).stdout.decode()


@given(st.dictionaries(NAMES, VALUES, max_size=4))
def test_a_shell_reads_the_environment_as_it_was_asked_for(env: dict[str, str]) -> None:
    told = "".join(f'printf "%s\\0" "${name}"\n' for name in sorted(env))

    assert "".join(f"{value}\0" for _, value in sorted(env.items())) == shell(
        f"{guest.environment(env, port=None)}\n{told}"
    )


def test_the_script_writes_the_environment_for_root_alone(tmp_path: Path) -> None:
    script = guest.user_data(REQUEST).replace(guest.FOLDER, str(tmp_path / "etc"))
    shell(script)
    written = tmp_path / "etc/env"

    assert (0o600, "it's\n$HOME `date` {x} END8080") == (
        written.stat().st_mode & 0o777,
        shell('. "$1"; printf %s "$GREETING" "$PORT"', str(written)),
    )


def test_a_builder_runs_its_own_script() -> None:
    assert "echo hi" == guest.user_data(attrs.evolve(REQUEST, script="echo hi"))


def test_a_port_of_the_environment_stays() -> None:
    assert "PORT=9" == guest.environment({"PORT": "9"}, port=8080)
