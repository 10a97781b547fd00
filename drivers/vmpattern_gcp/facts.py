"""What Google's cloud can do, as data; the rates are those that Google publishes for a new project, with a margin."""

from immutabledict import immutabledict

from vmpattern.model import Capabilities, Idempotency, Latencies, Market, RequestBudget

STEADY = RequestBudget(burst=200.0, per_second=20.0)
"""Of 1,500 calls a minute."""


def capabilities(call_timeout_s: float) -> Capabilities:
    """Return what the driver declares, with the longest time that a verb may take."""
    return Capabilities(
        max_batch=500,
        max_terminate=100,
        page_size=500,
        idempotency=Idempotency.INSTANCE,
        label_count=64,
        mutable_labels=True,
        markets=frozenset({Market.ON_DEMAND, Market.SPOT}),
        staleness_s=5.0,
        call_timeout_s=call_timeout_s,
        checks=True,
        limits=True,
        balancer=True,
        console=True,
        baker=True,
        meter=True,
        script_bytes=256 * 1024,
        budgets=immutabledict(
            {
                "read": RequestBudget(burst=100.0, per_second=10.0),
                # Ten bulk insertions may run at a time.
                "launch": RequestBudget(burst=10.0, per_second=5.0),
                "terminate": STEADY,
                "terminate-instances": STEADY,
                "label": STEADY,
                "balancer": STEADY,
                "image": RequestBudget(burst=50.0, per_second=5.0),
            }
        ),
        latencies=Latencies(call_s=1.0, boot_s=20.0, ready_s=15.0, terminate_s=40.0, drain_s=10.0),
    )
