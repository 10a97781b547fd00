"""The least that an IAM policy must grant, made of the calls that the driver makes."""

from collections.abc import Iterator, Mapping

from vmpattern import naming
from vmpattern_aws.calls import CHANGES, CLOUDWATCH, EC2, ELB, OBJECTS, READS, Service
from vmpattern_aws.images import PREFIX

PREFIXES = {EC2: "ec2", ELB: "elasticloadbalancing", CLOUDWATCH: "cloudwatch"}

_OURS = {"Null": {f"aws:ResourceTag/{naming.DEPLOYMENT}": "false"}}
_MADE_BY_US = {"StringEquals": {"ec2:CreateAction": ["CreateImage", "RunInstances"]}}
_ONLY_OURS = ("DeregisterImage", "TerminateInstances", "CreateImage", "DeleteTags")


def policy(*, bucket: str = "BUCKET", role: str = "ROLE") -> dict[str, object]:
    """Return the policy, in IAM's JSON: what is ended or changed must bear our labels.

    Args:
        bucket: where files for builders are staged; leave its statement away if nothing is staged.
        role: the role of the instances; leave its statement away if they have none.
    """
    return {"Version": "2012-10-17", "Statement": list(_statements(bucket, role))}


def _statements(bucket: str, role: str) -> Iterator[dict[str, object]]:
    yield _statement("Read", sorted(_actions(READS)))
    launching = [action for action in CHANGES if CHANGES[action] is EC2 and action not in _ONLY_OURS]
    launching.remove("CreateTags")
    yield _statement("Launch", [*_named(launching), "ec2:CreateImage"])
    yield _statement("LabelWhatIsMade", ["ec2:CreateTags"], condition=_MADE_BY_US)
    ours = [action for action in _ONLY_OURS if action != "CreateImage"]
    yield _statement("ChangeOnlyWhatIsOurs", sorted([*_named(ours), "ec2:CreateTags"]), condition=_OURS)
    snapshots = "arn:aws:ec2:*::snapshot/*"
    yield _statement("DeleteOurSnapshots", ["ec2:DeleteSnapshot"], resource=snapshots, condition=_OURS)
    balancing = [action for action, service in CHANGES.items() if service is ELB]
    groups = "arn:aws:elasticloadbalancing:*:*:targetgroup/*"
    yield _statement("Balance", sorted(_named(balancing)), resource=groups)
    objects = f"arn:aws:s3:::{bucket}/{PREFIX}*"
    yield _statement("Stage", [f"s3:{action}" for action in OBJECTS], resource=objects)
    yield _statement("GiveInstancesTheirRole", ["iam:PassRole"], resource=f"arn:aws:iam::*:role/{role}")


def _statement(
    id: str, actions: list[str], *, resource: str = "*", condition: Mapping[str, object] | None = None
) -> dict[str, object]:
    extra: dict[str, object] = {"Condition": dict(condition)} if condition else {}
    return {"Sid": id, "Effect": "Allow", "Action": actions, "Resource": resource, **extra}


def _actions(calls: dict[str, Service]) -> Iterator[str]:
    yield from (f"{PREFIXES[service]}:{action}" for action, service in calls.items())


def _named(actions: list[str]) -> list[str]:
    return [f"{PREFIXES[CHANGES[action]]}:{action}" for action in actions]
