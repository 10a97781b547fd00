"""The queue of an account: nothing overtakes, and nobody is told to come back before anything can be sent."""

import itertools

from vmpattern.executor.account import Account, Call
from vmpattern.executor.runtime import VirtualRuntime
from vmpattern.model import Capabilities, Latencies, RequestBudget
from vmpattern.simulation import CloudSpec, SimulatedCloud


def test_a_cheap_call_behind_a_dear_one_is_due_when_that_can_be_sent() -> None:
    capabilities = Capabilities(budgets={"launch": RequestBudget(100, 2)}, latencies=Latencies(call_s=1.0))
    driver, runtime = SimulatedCloud(CloudSpec(capabilities=capabilities)), VirtualRuntime(0.0)
    account = Account("demo", driver, runtime, itertools.count(), lambda *_: None)
    sent: list[float] = []
    for cost in (100.0, 50.0, 1.0):
        account.submit(
            Call(
                verb="launch",
                label="",
                run=lambda cost=cost: sent.append(cost),  # type: ignore[misc]
                done=lambda call, answer: None,
                costs={"launch": cost},
            )
        )
    runtime.wait(10.0)
    account.dispatch()

    assert (sent, account.next_at()) == ([100.0], 25.0)

    runtime.wait(10.0)
    runtime.wait(25.0)
    account.dispatch()

    assert (sent, account.next_at()) == ([100.0, 50.0], 25.5)
