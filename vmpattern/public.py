"""Where each public name lives. The package root offers these names and loads this module when one is asked for."""

from vmpattern.access import StopSwitch as StopSwitch
from vmpattern.driver import connect as connect
from vmpattern.errors import (
    ApplyFailed as ApplyFailed,
    DamagedPlan as DamagedPlan,
    DriverError as DriverError,
    Locked as Locked,
    Refused as Refused,
    SpecError as SpecError,
    StalePlan as StalePlan,
    UnknownDriver as UnknownDriver,
    VmpatternError as VmpatternError,
)
from vmpattern.model import (
    BakeOutcome as BakeOutcome,
    BakeResult as BakeResult,
    BakeState as BakeState,
    Cloud as Cloud,
    Deployment as Deployment,
    Event as Event,
    EventKind as EventKind,
    Existing as Existing,
    Fleet as Fleet,
    Health as Health,
    HealthCheck as HealthCheck,
    Image as Image,
    Instance as Instance,
    MachineType as MachineType,
    Market as Market,
    Mislabelled as Mislabelled,
    Observation as Observation,
    Outcome as Outcome,
    PackerManifest as PackerManifest,
    Phase as Phase,
    Place as Place,
    Placement as Placement,
    Plan as Plan,
    Recipe as Recipe,
    Resources as Resources,
    Result as Result,
    Rollout as Rollout,
    Secret as Secret,
    Service as Service,
    Share as Share,
)
from vmpattern.operations import apply as apply, bake as bake, observe as observe, plan as plan, survey as survey
from vmpattern.planner.survey import (
    FleetSurvey as FleetSurvey,
)
from vmpattern.serialization import (
    outcome_to_json as outcome_to_json,
    plan_from_json as plan_from_json,
    plan_to_json as plan_to_json,
)
from vmpattern.specfile import (
    dumps as dumps,
    load as load,
    loads as loads,
)


def _as_printed(plan: Plan) -> str:
    # The renderer is loaded when a plan is printed, not whenever the library is.
    from vmpattern.report.plan import plan_text

    return plan_text(plan)


Plan.as_text = staticmethod(_as_printed)
