"""Deciding, as functions of values: what a fleet needs now, given what is known of it."""

from vmpattern.planner.actions import Decision, Deregister, Drain, FleetAction, Keep, Launch, Register, Terminate
from vmpattern.planner.assessment import Assessment, as_counted, assess, lacks, uneven
from vmpattern.planner.bakes import bakes, chosen_images
from vmpattern.planner.balancing import balancer_notes
from vmpattern.planner.builders import builder_note, builders
from vmpattern.planner.decide import decide
from vmpattern.planner.failing import checks_of, refuse_failing
from vmpattern.planner.freeing import is_out_of_quota
from vmpattern.planner.images import Chosen, as_if_baked, image_reasons, recipe_name, too_large
from vmpattern.planner.index import FleetIndex, Transition
from vmpattern.planner.keeping import ImageUse, image_uses
from vmpattern.planner.limits import Limits, limits
from vmpattern.planner.places import covers
from vmpattern.planner.quotas import apportion, quotas
from vmpattern.planner.resolve import Resolution, admitted, resolve
from vmpattern.planner.retired import with_retired
from vmpattern.planner.rows import SKEW_S, Row, State, classify
from vmpattern.planner.scopes import WAY_OUT, Overlap, counted_once, overlaps, refuse_overlaps

__all__ = [
    "SKEW_S",
    "WAY_OUT",
    "Assessment",
    "Chosen",
    "Decision",
    "Deregister",
    "Drain",
    "FleetAction",
    "FleetIndex",
    "ImageUse",
    "Keep",
    "Launch",
    "Limits",
    "Overlap",
    "Register",
    "Resolution",
    "Row",
    "State",
    "Terminate",
    "Transition",
    "admitted",
    "as_if_baked",
    "apportion",
    "as_counted",
    "assess",
    "balancer_notes",
    "bakes",
    "builder_note",
    "builders",
    "chosen_images",
    "checks_of",
    "classify",
    "covers",
    "decide",
    "image_reasons",
    "image_uses",
    "is_out_of_quota",
    "lacks",
    "limits",
    "counted_once",
    "overlaps",
    "quotas",
    "recipe_name",
    "refuse_failing",
    "refuse_overlaps",
    "resolve",
    "too_large",
    "uneven",
    "with_retired",
]
