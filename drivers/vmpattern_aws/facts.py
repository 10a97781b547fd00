"""What the driver declares of AWS.

Source:
    EC2's published request budgets per account and region, its limits on tags, user data and batches (read 2026-11).
"""

from immutabledict import immutabledict

from vmpattern.model import Capabilities, Idempotency, Latencies, Market, RequestBudget
from vmpattern_aws.fleet import MAX_BATCH, MAX_TERMINATE, PAGE
from vmpattern_aws.launching import MOST_TAGS, MOST_USER_DATA
from vmpattern_aws.settings import AwsOptions

BUDGETS = immutabledict(
    {
        "read": RequestBudget(100, 20),
        "launch": RequestBudget(5, 2),
        "launch-instances": RequestBudget(1000, 2),
        "terminate": RequestBudget(100, 5),
        "terminate-instances": RequestBudget(1000, 20),
        "label": RequestBudget(100, 10),
        "balancer": RequestBudget(50, 5),
        "image": RequestBudget(100, 5),
    }
)


def capabilities(options: AwsOptions) -> Capabilities:
    """Return what can be done with a cloud of these options."""
    return Capabilities(
        max_batch=MAX_BATCH,
        max_terminate=MAX_TERMINATE,
        page_size=PAGE,
        idempotency=Idempotency.BATCH,
        label_count=MOST_TAGS,
        mutable_labels=True,
        markets=frozenset(Market),
        staleness_s=options.staleness.total_seconds(),
        call_timeout_s=options.call_timeout.total_seconds(),
        native_health=True,
        checks=True,
        balancer=True,
        console=True,
        baker=True,
        meter=True,
        script_bytes=MOST_USER_DATA,
        staging=options.staging_bucket is not None,
        budgets=BUDGETS,
        latencies=Latencies(call_s=0.5, boot_s=30.0, ready_s=60.0, terminate_s=40.0, drain_s=60.0),
    )
