"""A user's script. The type checkers read it; nothing runs it."""

from typing import assert_type

import vmpattern as vmp

deployment = vmp.load("vmpattern.toml")
observation = vmp.observe(deployment)
plan = vmp.plan(deployment, observation)
outcome = vmp.apply(plan, on_event=print)

assert_type(plan, vmp.Plan)
assert_type(outcome.ok, bool)
outcome.raise_for_failure()
