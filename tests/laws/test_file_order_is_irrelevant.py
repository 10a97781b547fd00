"""Formatting and order of a file never change what it says."""

import tomllib
from random import Random

from hypothesis import given, strategies as st
from messy import messy_toml
from strategies import deployments

from vmpattern import naming
from vmpattern.model import Deployment
from vmpattern.specfile import dumps, loads

randoms = st.randoms(use_true_random=False)


def all_inputs(deployment: Deployment) -> list[naming.Inputs]:
    return [
        naming.inputs(deployment.services[fleet.service], fleet, placement, "img-1")
        for fleet in deployment.fleets.values()
        for placement in fleet.placements
    ]


@given(deployments(), randoms)
def test_order_and_formatting_never_change_what_a_file_says(deployment: Deployment, random: Random) -> None:
    text = dumps(deployment)
    tidy, messy = loads(text), loads(messy_toml(tomllib.loads(text), random))

    # The second and third tell also in which order mappings iterate.
    assert (tidy, repr(tidy), all_inputs(tidy)) == (messy, repr(messy), all_inputs(messy))
