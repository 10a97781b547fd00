"""Errors: told apart by what the caller does next, once, and as far as they reach."""

from vmpattern.errors import DriverError, OutcomeUnknown, ScopeKind, Throttled
from vmpattern.testing.bench import Bench, Broken, expect, within
from vmpattern.testing.checks.launching import lose
from vmpattern.testing.clauses import Level, clause
from vmpattern.testing.kit import Fault, Recorded


@clause("error-1", "A verb is one attempt: what the provider throttles is `Throttled`, at once.")
def nothing_is_tried_twice(bench: Bench) -> None:
    (row,) = bench.launched()
    bench.raises(
        Throttled, "a list that was throttled", lambda: bench.connect(Fault.THROTTLED).instances(bench.selector)
    )
    bench.raises(
        Throttled, "a launch that was throttled", lambda: bench.connect(Fault.THROTTLED).launch(bench.request())
    )
    bench.raises(
        Throttled, "a terminate that was throttled", lambda: bench.connect(Fault.THROTTLED).terminate([row.id])
    )


@clause("error-2", "A launch that was sent and not answered is `OutcomeUnknown`.")
def no_answer_is_unknown(bench: Bench) -> None:
    for fault in (Fault.LOST_BEFORE, Fault.LOST_AFTER):
        lose(bench, fault, bench.request())


@clause("error-3", "Every answer of the provider becomes the error that says what to do next.")
def answers_are_told_apart(bench: Bench) -> None:
    for one in bench.kit.recorded():
        error = _replayed(one)
        as_told = isinstance(error, one.error)
        expect(as_told, f"the answer {one.name} raised {type(error).__name__}, expected {one.error.__name__}: {error}")


@clause("error-4", "An error's scope is no wider and no narrower than the provider's answer says.")
def errors_reach_as_far_as_they_do(bench: Bench) -> None:
    for one in bench.kit.recorded():
        scope = _replayed(one).scope
        expect(scope.kind is one.scope, f"the answer {one.name} has scope {scope}, expected {one.scope.value}")


@clause("error-5", "A scope names its zone and machine type where its kind needs them.")
def scopes_are_named(bench: Bench) -> None:
    for one in bench.kit.recorded():
        scope = _replayed(one).scope
        narrow = scope.kind in (ScopeKind.MACHINE_TYPE, ScopeKind.ZONE)
        expect(scope.zone is not None or not narrow, f"the scope of the answer {one.name} names no zone")
        typed = scope.machine_type is not None or scope.kind is not ScopeKind.MACHINE_TYPE
        expect(typed, f"the scope of the answer {one.name} names no machine type")


@clause("error-6", "An error has the provider's own code, and the provider's error as its cause.", level=Level.SHOULD)
def errors_keep_their_cause(bench: Bench) -> None:
    for one in bench.kit.recorded():
        error = _replayed(one)
        expect(error.code != type(error).__name__, f"the error of the answer {one.name} has no code")
        expect(error.__cause__ is not None, f"the error of the answer {one.name} has no cause")


@clause("error-7", "A provider that never answers is given up within `call_timeout_s`; of a launch, nothing is known.")
def silence_is_given_up(bench: Bench) -> None:
    patience_s = bench.can.call_timeout_s
    reading, launching = bench.connect(Fault.SILENCE), bench.connect(Fault.SILENCE)
    within(patience_s, lambda: reading.instances(bench.selector), "a list")
    error = within(patience_s, lambda: launching.launch(bench.request()), "a launch")
    unknown = isinstance(error, OutcomeUnknown)
    expect(unknown, f"a launch that is never answered raised {type(error).__name__}, expected OutcomeUnknown")


def _replayed(recorded: Recorded) -> DriverError:
    try:
        recorded.replay()
    except DriverError as error:
        return error
    except Exception as error:
        raise Broken(f"the answer {recorded.name} raised {type(error).__name__}, no DriverError: {error}") from error
    raise Broken(f"the answer {recorded.name} raised nothing, expected {recorded.error.__name__}")
