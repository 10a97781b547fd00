"""The schedules draw what they are meant to draw: each feature, and the features together."""

from lawbook.choices import Seeded
from lawbook.drawing import schedule
from lawbook.features import FEATURES, Coverage, features

DRAWN = 3000


def drawn() -> Coverage:
    coverage = Coverage()
    for seed in range(DRAWN):
        coverage.add(features(schedule(Seeded(seed))))
    return coverage


def test_every_feature_and_nearly_every_pair_of_features_is_drawn() -> None:
    coverage = drawn()
    every = len(FEATURES) * (len(FEATURES) - 1) // 2

    assert set() == set(FEATURES) - set(coverage.singles)
    assert [] == [name for name, count in coverage.singles.items() if count < DRAWN // 200]
    assert len(coverage.missing()) <= every * 0.04, coverage.missing()
