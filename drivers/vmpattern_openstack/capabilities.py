"""What the driver can do with a cloud, as its options say."""

import attrs

from vmpattern.model import Capabilities, Idempotency, Latencies
from vmpattern_openstack.options import OpenStackOptions
from vmpattern_openstack.servers import USER_DATA_BYTES

WITH_ADDRESSES = 5
"""So many servers with floating addresses, each a call of its own, are created or ended within the time of a call."""

CAN = Capabilities(
    # So many servers Nova creates within the time of a call, ports and all.
    max_batch=25,
    max_terminate=20,
    idempotency=Idempotency.NONE,
    label_count=50,
    mutable_labels=True,
    # Nova's database may be several, which follow each other.
    staleness_s=5.0,
    checks=True,
    limits=True,
    balancer=True,
    console=True,
    baker=True,
    script_bytes=USER_DATA_BYTES,
    disk_option="volume",
    latencies=Latencies(call_s=0.5, boot_s=30.0, ready_s=15.0, terminate_s=10.0, drain_s=30.0),
)


def capabilities(options: OpenStackOptions) -> Capabilities:
    """Return what there is with these options."""
    timeout_s = options.call_timeout.total_seconds()
    can = attrs.evolve(
        CAN, page_size=options.page_size, call_timeout_s=timeout_s, staging=options.staging, meter=options.meter
    )
    if options.floating_network is None:
        return can
    return attrs.evolve(can, max_batch=WITH_ADDRESSES, max_terminate=WITH_ADDRESSES)
