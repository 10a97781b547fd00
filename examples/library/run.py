"""A tool that embeds vmpattern: builds a deployment, plans, follows the events, stops when it takes too long."""

import json
import sys
import tempfile
from collections import Counter
from pathlib import Path

import vmpattern as vmp

LONGEST_S = 1800.0


def deployment(folder: Path, *, image: str) -> vmp.Deployment:
    """Return one fleet on a simulated cloud, as a file could say it, too."""
    cloud = vmp.Cloud(name="demo", driver="memory", options={"path": "demo.json"}, directory=str(folder))
    service = vmp.Service(
        name="web",
        image=vmp.Existing({"demo": image}),
        port=8080,
        health=vmp.HealthCheck(http="/healthz"),
        resources=vmp.Resources(vcpus=2, memory_mib=4096),
    )
    fleet = vmp.Fleet(
        name="web",
        service="web",
        size=4,
        placements=[vmp.Placement(cloud="demo", zones=["a", "b"])],
        rollout=vmp.Rollout(max_surge=vmp.Share(50, percent=True), min_ready_s=10.0),
    )
    return vmp.Deployment(
        name="library-example", clouds={"demo": cloud}, services={"web": service}, fleets={"web": fleet}
    )


def deploy(wanted: vmp.Deployment, locks: Path) -> vmp.Outcome:
    """Bring what runs to what is wanted, and print what happens."""
    plan = vmp.plan(wanted, vmp.observe(wanted))
    part = plan.fleets["web"]
    print(f"{part.create} new, {part.replace} replaced, {part.destroy} ended")
    if plan.forecast.duration_s > LONGEST_S:
        sys.exit("this would take too long")

    # A plan can wait in a file or a database; a changed or stale one is refused.
    plan = vmp.plan_from_json(json.loads(json.dumps(vmp.plan_to_json(plan))))

    stop, counts = vmp.StopSwitch(), Counter[str]()

    def follow(event: vmp.Event) -> None:
        counts[event.kind.value] += 1
        if event.at - plan.at > 2 * LONGEST_S:
            stop.ask()

    outcome = vmp.apply(plan, on_event=follow, stop=stop, locks=locks)
    outcome.raise_for_failure()
    print(f"{outcome.result.value}: {counts['launched']} launches, {counts['terminated']} terminations")
    return outcome


def main() -> None:
    """Deploy, replace the image, and end everything again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        deploy(deployment(folder, image="img-web-1"), folder)
        new = deployment(folder, image="img-web-2")
        outcome = deploy(new, folder)
        if outcome.fleets["web"].ready != 4:
            sys.exit("expected four ready instances")
        for row in vmp.survey(new, vmp.observe(new))["web"].rows:
            print(row.instance.zone, row.instance.image, row.state)
        deploy(new.resized({"web": 0}), folder)


if __name__ == "__main__":
    main()
