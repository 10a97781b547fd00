"""Service instance per VM, on any cloud: describe a service once, and keep its fleet as you asked for it.

import vmpattern as vmp

deployment = vmp.load("vmpattern.toml")
plan = vmp.plan(deployment, vmp.observe(deployment))
outcome = vmp.apply(plan, on_event=print)
"""

# What `typing` calls so: importing that module would cost more than all the rest of this one.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from vmpattern.public import *
del TYPE_CHECKING

__version__ = "0.1.0"

__all__ = [
    "ApplyFailed",
    "BakeOutcome",
    "BakeResult",
    "BakeState",
    "Cloud",
    "DamagedPlan",
    "Deployment",
    "DriverError",
    "Event",
    "EventKind",
    "Existing",
    "Fleet",
    "FleetSurvey",
    "Health",
    "HealthCheck",
    "Image",
    "Instance",
    "Locked",
    "MachineType",
    "Market",
    "Mislabelled",
    "Observation",
    "Outcome",
    "PackerManifest",
    "Phase",
    "Place",
    "Placement",
    "Plan",
    "Recipe",
    "Refused",
    "Resources",
    "Result",
    "Rollout",
    "Secret",
    "Service",
    "Share",
    "SpecError",
    "StalePlan",
    "StopSwitch",
    "UnknownDriver",
    "VmpatternError",
    "__version__",
    "apply",
    "bake",
    "connect",
    "dumps",
    "load",
    "loads",
    "observe",
    "outcome_to_json",
    "plan",
    "plan_from_json",
    "plan_to_json",
    "survey",
]


def __getattr__(name: str) -> object:
    # Loaded when first asked for, so that the command line starts fast and costs only what a command needs.
    if name not in __all__:
        raise AttributeError(f"module 'vmpattern' has no attribute {name!r}")
    from vmpattern import public

    return getattr(public, name)


def __dir__() -> list[str]:
    return list(__all__)
