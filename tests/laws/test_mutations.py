"""The laws have teeth: break the planner on purpose, one rule at a time, and some law must notice."""

import subprocess
import sys
from pathlib import Path

import attrs
import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "support" / "lawbook" / "mutant.py"


@attrs.frozen
class Mutation:
    """One snippet of one module replaced by another; `law` is a part of what the laws then say.

    `moment` names the schedule in which it surely matters, for what matters too rarely in random ones.
    """

    module: str
    old: str
    new: str
    law: str
    moment: str = ""


MUTATIONS = {
    "launches above the surge": Mutation(
        "vmpattern.planner.turn",
        "return self.index.limits.most - (self",
        "return 1 + self.index.limits.most - (self",
        "1 (surge)",
    ),
    "forgets launches that aren't answered": Mutation(
        "vmpattern.planner.turn",
        "(self.index.total + self.unread - self.index.kept)",
        "(self.index.live + self.unread - self.index.kept)",
        "1 (surge)",
    ),
    "takes one ready instance too many": Mutation(
        "vmpattern.planner.leaving",
        "        if turn.ready <= turn.index.limits.least:\n            break",
        "        if turn.ready < turn.index.limits.least:\n            break",
        "2 (availability)",
    ),
    "drains a balancer's last member": Mutation(
        "vmpattern.planner.turn",
        "return here <= is_ready and (wanted",
        "return here < is_ready and (wanted",
        "2 (last member)",
    ),
    "has one call too many in flight": Mutation(
        "vmpattern.planner.turn",
        "fleet.rollout.max_in_flight - index.in_flight",
        "fleet.rollout.max_in_flight - index.in_flight + 1",
        "4 (calls in flight)",
    ),
    "acts before the lists have settled": Mutation(
        "vmpattern.planner.index",
        "return state.settled and now <= state.fresh_until",
        "return now <= state.fresh_until",
        "11 (two lists)",
    ),
    "acts upon old readings": Mutation(
        "vmpattern.planner.index",
        "return state.settled and now <= state.fresh_until",
        "return state.settled",
        "11 (fresh reading)",
    ),
    "leaves its envelope": Mutation(
        "vmpattern.planner.index",
        "return row.named or row.ours or row.approved",
        "return True or row.named or row.ours or row.approved",
        "envelope",
    ),
    "terminates members without draining them": Mutation(
        "vmpattern.planner.rows",
        "return self.membership in (SERVED, SHUNNED, DRAINING) or bool(self.lingers_in or self.drains_from)",
        "return False",
        "12 (order)",
    ),
    "heals without a budget": Mutation(
        "vmpattern.planner.leaving",
        "unplanned[:blast]",
        "unplanned",
        "blast budget",
        moment="all fall ill while one more boots",
    ),
    "drops what a division leaves over": Mutation(
        "vmpattern.planner.quotas", "ranked[: total - sum(shares)]:", "ranked[:0]:", "6 ("
    ),
    "gives zones what they have": Mutation(
        "vmpattern.planner.quotas",
        "return apportion(size, [1] * len(members)",
        "return apportion(size, [1 + have[index] for index in members]",
        "10 (zones)",
    ),
    "leaves the old ones running": Mutation(
        "vmpattern.planner.leaving",
        "            turn.ready -= 1\n            leaving.append(row)",
        "            turn.ready -= 1",
        "6 (convergence)",
    ),
    "counts what has just become well as ready": Mutation(
        "vmpattern.planner.rows",
        "is_proven = now >= row.healthy_at + terms.rollout.min_ready_s",
        "is_proven = True",
        "2 (availability)",
    ),
    "shares clouds evenly, whatever their weights": Mutation(
        "vmpattern.planner.quotas",
        "weights = [slots[members[0]].weight for members in groups]",
        "weights = [1 for members in groups]",
        "10 (clouds)",
    ),
    "takes a cloud that it never read for empty": Mutation(
        "vmpattern.planner.turn",
        "self.unread = self._missing_blind() if True in self._unseen else 0",
        "self.unread = 0",
        "raised AssertionError",
    ),
    "drains whatever stands behind its balancer": Mutation(
        "vmpattern.reconcile.dispatcher",
        "_balancer(driver).deregister(action.balancer, action.ids)",
        "_balancer(driver).deregister(action.balancer, tuple(_balancer(driver).members(action.balancer)))",
        "7 (ownership)",
    ),
    "sends a launch again where that makes a second one": Mutation(
        "vmpattern.reconcile.dispatcher",
        "resend_unknown=driver.capabilities.idempotency is not Idempotency.NONE",
        "resend_unknown=True",
        "1 (surge)",
    ),
    "sends calls without a budget": Mutation(
        "vmpattern.access.gateway",
        "return spend(self._buckets, call.costs, now) == 0.0",
        "return True",
        "4 (rate budget)",
    ),
    "lets a price into the revision": Mutation(
        "vmpattern.planner.resolve",
        "            revision=inputs.revision,",
        "            revision=inputs.revision[:8] + str(int(1e6 * (kind.price(placement.market) or 0))),",
        "13 (order and prices)",
    ),
    "lets the time into the revision": Mutation(
        "vmpattern.planner.resolve",
        "            revision=inputs.revision,",
        "            revision=inputs.revision[:8] + str(int(cloud.at) % 997),",
        "5 (empty plan)",
    ),
    "keeps a count that the rows don't give": Mutation(
        "vmpattern.planner.index",
        "self.failures += not row.lacked_room",
        "self.failures += not row.lacked_room\n            self.leaving += 1",
        "index law",
    ),
    "misses one that may be serving": Mutation(
        "vmpattern.planner.turn",
        "self.ready + self._doubtful - 1 <",
        "self.ready + self._doubtful <",
        "2 (may serve)",
        moment="all old ones are doubted, and none may be missed",
    ),
    "takes whatever may be serving as soon as one may go": Mutation(
        "vmpattern.planner.turn",
        "        self._doubtful -= 1\n",
        "",
        "2 (may serve)",
        moment="all old ones are doubted, and one may be missed",
    ),
    "takes what was healthy when first seen for proven": Mutation(
        "vmpattern.planner.turn",
        "return row.state is not State.PROVING or self.fleet.size == 0",
        "return True",
        "the story",
        moment="the younger of two is the one that serves, and one is too many",
    ),
    "takes away what is too many before it knows which serves": Mutation(
        "vmpattern.planner.leaving",
        "if not all(turn.is_proven(row) for row in rows):",
        "if False:",
        "the story",
        moment="the younger of two is the one that serves, and one is too many",
    ),
    "takes away what is too many before what is out of date": Mutation(
        "vmpattern.planner.leaving",
        "    if (index.old_idle or index.old_ready) and not _is_stalled(turn):\n        return\n",
        "",
        "9 (old first)",
    ),
    "calls a fleet complete that one witness doubts": Mutation(
        "vmpattern.planner.decide",
        "if done and (doubted :=",
        "if False and (doubted :=",
        "the story",
        moment="one witness speaks against one that is in date",
    ),
    "lets an old list revive what has stopped": Mutation(
        "vmpattern.planner.sighting",
        "phase = max(phase, known.phase, key=_PHASES.__getitem__)",
        "pass",
        "11 (old list)",
        moment="one that has stopped is shown running by an old list",
    ),
    "takes members for shunned since their launch": Mutation(
        "vmpattern.planner.sighting",
        "row.shunned_at = row.began_at if first and not is_well else now",
        "row.shunned_at = row.began_at",
        "the story",
        moment="members of old are ill for a moment",
    ),
    "tries a key again that was used for another request": Mutation(
        "vmpattern.reconcile.unresolved",
        "spent=conflict is not None",
        "spent=False",
        "6 (convergence)",
        moment="the only one's label is damaged by hand",
    ),
    "takes a key's conflict for the last word": Mutation(
        "vmpattern.reconcile.dispatcher",
        "isinstance(error, OutcomeUnknown | KeyConflict)",
        "isinstance(error, OutcomeUnknown)",
        "6 (convergence)",
        moment="the only one's label is damaged by hand",
    ),
    "counts what had no room as failed": Mutation(
        "vmpattern.reconcile.dispatcher",
        "not isinstance(error, OutOfCapacity | Throttled | KeySpent | QuotaExceeded)",
        "not isinstance(error, Throttled | KeySpent | QuotaExceeded)",
        "the story",
        moment="a zone has room for one of two",
    ),
    "launches without end": Mutation(
        "vmpattern.reconcile.fleet_run",
        "if self.created > most and",
        "if False and",
        "15 (launches)",
        moment="whatever is launched is ended from outside",
    ),
    "forgets the balancers that fleets have left": Mutation(
        "vmpattern.reconcile.observer",
        "former=run.former.get(account.name, ()),",
        "former=(),",
        "12 (",
    ),
    "takes what has damaged labels for its own": Mutation(
        "vmpattern.access.requests",
        "if (strange := _mislabelled(row)) is not None:",
        "if False:",
        "raised",
        moment="the only one's label is damaged by hand",
    ),
    "doesn't count what has the former name": Mutation(
        "vmpattern.reconcile.observer",
        "labels=run.fleet.labels,",
        "labels=(run.fleet.name,),",
        "2 (availability)",
    ),
}


@pytest.mark.parametrize("mutation", [pytest.param(m, id=name) for name, m in MUTATIONS.items()])
def test_a_planner_that(mutation: Mutation) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *attrs.astuple(mutation)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (0, "") == (done.returncode, done.stderr), done.stdout
