"""The driver keeps every clause of the contract on an emulator of Compute Engine."""

from contextlib import closing
from pathlib import Path

from gce.catalog import BASES, VENDOR
from gce.kit import EmulatorKit
from gce.lab import lab
from immutabledict import immutabledict

from vmpattern.driver import Selector
from vmpattern.testing import DriverSuite
from vmpattern_gcp.checks import GcpKit


class TestGcp(EmulatorKit, DriverSuite):
    pass


def test_a_check_from_the_command_line_chooses_zone_and_image_itself(tmp_path: Path) -> None:
    kit = GcpKit()
    with lab(tmp_path) as cloud:
        kit.settings = immutabledict(cloud.options)
        with closing(kit.connect()) as driver:
            listed = driver.instances(Selector("nothing"))

        assert () == listed
        assert "europe-west1-b" == kit.zone
        assert f"projects/{VENDOR}/global/images/{BASES[1]}" == kit.image
