"""The cloud of the AWS tests: one process of moto for all of them, and every request in the models of botocore."""

from collections.abc import Iterator

import pytest
from aws_cloud.serving import Cloud, serving


@pytest.fixture(scope="session")
def served_aws() -> Iterator[Cloud]:
    with serving() as cloud:
        yield cloud


@pytest.fixture
def aws_cloud(served_aws: Cloud) -> Iterator[Cloud]:
    """An empty account; at the end, no request may have been outside of AWS's own description."""
    served_aws.reset()
    yield served_aws
    assert [] == served_aws.ask("violations")
