"""Deciding, as functions of values: what a fleet needs now, given what is known of it."""

from vmpattern.planner.actions import Decision, Drain, FleetAction, Keep, Launch, Register, Terminate
from vmpattern.planner.decide import decide
from vmpattern.planner.failing import checks_of, refuse_failing
from vmpattern.planner.index import FleetIndex, Transition
from vmpattern.planner.limits import Limits, limits
from vmpattern.planner.places import covers
from vmpattern.planner.quotas import apportion, quotas
from vmpattern.planner.resolve import UNRESOLVED, Resolution, admitted, resolve
from vmpattern.planner.rows import Row, State, classify
from vmpattern.planner.survey import FleetSurvey, SurveyRow, survey

__all__ = [
    "UNRESOLVED",
    "Decision",
    "Drain",
    "FleetAction",
    "FleetIndex",
    "FleetSurvey",
    "Keep",
    "Launch",
    "Limits",
    "Register",
    "Resolution",
    "Row",
    "State",
    "SurveyRow",
    "Terminate",
    "Transition",
    "admitted",
    "apportion",
    "checks_of",
    "classify",
    "covers",
    "decide",
    "limits",
    "quotas",
    "refuse_failing",
    "resolve",
    "survey",
]
