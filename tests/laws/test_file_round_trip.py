"""What a deployment is written to, it is read from."""

from hypothesis import given
from strategies import deployments, positive_seconds, seconds

from vmpattern.model import Deployment
from vmpattern.model.quantity import format_duration, parse_duration
from vmpattern.specfile import dumps, loads


@given(deployments(directory="somewhere"))
def test_a_written_deployment_is_read_back(deployment: Deployment) -> None:
    read = loads(dumps(deployment), directory="somewhere")

    assert deployment == read


@given(seconds | positive_seconds)
def test_a_written_duration_is_read_back(duration_s: float) -> None:
    assert duration_s == parse_duration(format_duration(duration_s))
