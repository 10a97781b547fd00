"""Signals that come before a command acts: it ends, nothing was changed, and the status says which it was."""

import os
import signal
from collections.abc import Sequence
from pathlib import Path

import attrs
import cli_values as values
import pytest

from vmpattern.cli.interrupt import Interruption, interruptible
from vmpattern.model import Deployment, InstanceId, Observation, Result

COMMANDS = [("apply", "--yes"), ("scale", "shop", "7", "--yes"), ("destroy", "--yes")]
SIGNALS = [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)]


@attrs.define(eq=False)
class Finalized:
    """Sends a signal when it is finalized, where Python drops what is raised."""

    number: int

    def __del__(self) -> None:
        os.kill(os.getpid(), self.number)


class Signalled(values.Stub):
    """The library, in which a signal comes while the clouds are read."""

    def __init__(self, number: int, *, quietly: bool) -> None:
        super().__init__(values.rolling(), values.outcome(Result.COMPLETE))
        self.number, self.quietly = number, quietly

    def observe(self, deployment: Deployment, *, check: bool = True) -> Observation:
        if self.quietly:
            Finalized(self.number)
        else:
            os.kill(os.getpid(), self.number)
        return super().observe(deployment, check=check)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("quietly", [False, True])
@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_while_the_clouds_are_read(
    call, number: int, status: int, quietly: bool, words: Sequence[str], tmp_path: Path
) -> None:
    (tmp_path / "vmpattern.toml").touch()
    engine = Signalled(number, quietly=quietly)
    ran = call(*words, engine=engine)

    assert (status, []) == (ran.status, engine.applied)
    assert "Interrupted; nothing was changed." in ran.err


@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_before_a_bake(call, number: int, status: int, tmp_path: Path) -> None:
    class Loading(values.Stub):
        def load(self, path: Path) -> Deployment:
            os.kill(os.getpid(), number)
            return super().load(path)

        def bake(self, deployment: Deployment, services: Sequence[str], **options: object) -> None:  # type: ignore[override]
            raise AssertionError("it bakes")

    (tmp_path / "vmpattern.toml").touch()
    ran = call("bake", "--json", engine=Loading(values.rolling(), values.outcome(Result.COMPLETE)))

    assert (status, "Interrupted") == (ran.status, ran.document["error"]["code"])


def test_a_signal_after_the_apply_says_that_something_may_be_left(call, tmp_path: Path) -> None:
    class Ending(values.Stub):
        def end_builders(self, deployment: Deployment) -> tuple[InstanceId, ...]:
            os.kill(os.getpid(), signal.SIGTERM)
            return ()

    (tmp_path / "vmpattern.toml").touch()
    ran = call("destroy", "--yes", engine=Ending(values.rolling(), values.outcome(Result.COMPLETE)))

    assert 143 == ran.status
    assert "Interrupted; the same command again does what is left." in ran.err


def test_a_signal_that_was_only_noted_lets_nothing_begin() -> None:
    earlier = Interruption(signal.SIGTERM)
    nothing = lambda: None  # noqa: E731

    with pytest.raises(KeyboardInterrupt), interruptible(earlier, on_first=nothing, on_second=nothing):
        raise AssertionError("it begins")

    assert not earlier.acts
