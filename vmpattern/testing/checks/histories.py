"""Histories: a driver beside a small model, through any order of launches, ends, crashes and lost replies."""

from vmpattern.driver import Timekeeper
from vmpattern.testing.bench import Bench
from vmpattern.testing.clauses import clause
from vmpattern.testing.kit import NotGiven

EXAMPLES = 25


@clause("model-1", "In any order of calls, lost replies, crashes and callers, what is live is what the requests made.")
def agrees_with_the_model(bench: Bench) -> None:
    try:
        import hypothesis
    except ImportError:
        bench.skip("Hypothesis isn't installed: it comes with the extra `testing`")
    if bench.kit.examples is None and not isinstance(bench.driver, Timekeeper):
        raise NotGiven("examples", "the kit says no number of examples, and the cloud has no time of its own")
    from hypothesis.stateful import run_state_machine_as_test

    from vmpattern.testing.machine import machine

    limits = hypothesis.settings(
        max_examples=EXAMPLES if bench.kit.examples is None else bench.kit.examples,
        stateful_step_count=12,
        deadline=None,
        database=None,
        derandomize=True,
        report_multiple_bugs=False,
        suppress_health_check=(hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.filter_too_much),
    )
    run_state_machine_as_test(machine(bench), settings=limits)
