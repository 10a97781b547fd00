"""Drivers that are broken on purpose, each in one way."""

import contextlib
import os
import threading
import time
from typing import ClassVar

import attrs
from whole_driver import CAN, SOMEBODY, WholeDriver, WholeKit

from vmpattern import naming
from vmpattern.driver import LaunchReport, LaunchRequest, Selector
from vmpattern.errors import (
    DriverError,
    Invalid,
    KeyConflict,
    KeySpent,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Problem,
    Scope,
    ScopeKind,
    Throttled,
    Transient,
)
from vmpattern.model import Health, ImageId, Instance, InstanceId, LaunchKey, Market, Phase, Standing
from vmpattern.testing import Fault

UNLABELLED = "unlabelled"


def each(rows, change):
    """Change the instances of a list; None leaves one out."""
    changed = (change(row) if isinstance(row, Instance) else row for row in rows)
    return tuple(row for row in changed if row is not None)


class LabelsAfterwards(WholeDriver):
    """Creates first, and sets the labels with a second call."""

    def launch(self, request):
        report = super().launch(attrs.evolve(request, deployment=UNLABELLED))
        labels = self.place.notes.setdefault("labels", {})
        labels.update({row.id: request.deployment for row in (*report.created, *report.adopted)})
        own = [tuple(map(self._labelled, rows)) for rows in (report.created, report.adopted)]
        return attrs.evolve(report, created=own[0], adopted=own[1])

    def instances(self, selector):
        rows = map(self._labelled, super().instances(Selector(UNLABELLED)))
        return tuple(row for row in rows if not isinstance(row, Instance) or selector.matches(row))

    def _labelled(self, row):
        if not isinstance(row, Instance):
            return row
        return attrs.evolve(row, deployment=self.place.notes.get("labels", {}).get(row.id, UNLABELLED))


class DropsPages(WholeDriver):
    """Reads the first page only."""

    def instances(self, selector):
        return self.page(selector, 0)


class ShortOnFailure(WholeDriver):
    """Takes what it has when a page fails."""

    def instances(self, selector):
        try:
            return super().instances(selector)
        except Transient:
            return ()


class SwallowsErrors(WholeDriver):
    """Doesn't tell that a terminate failed."""

    def terminate(self, ids):
        with contextlib.suppress(DriverError):
            super().terminate(ids)


class Retries(WholeDriver):
    """Tries again by itself."""

    def launch(self, request):
        try:
            return super().launch(request)
        except Throttled:
            return super().launch(request)


class CountsAccepted(WholeDriver):
    """Reports what was accepted, whether it came to be or not."""

    def launch(self, request):
        if request.count < 3:
            return super().launch(request)
        report = super().launch(attrs.evolve(request, count=2))
        ghost = attrs.evolve(report.created[0], id=InstanceId("i-accepted"))
        return attrs.evolve(report, created=(*report.created, ghost))


class HidesTheEnding(WholeDriver):
    """Takes an accepted end for a done one."""

    def instances(self, selector):
        return each(super().instances(selector), lambda row: row if row.phase.is_live else None)


class AdoptsStrangers(WholeDriver):
    """Adopts by name alone."""

    def launch(self, request):
        rows = self.cloud.instances(Selector(SOMEBODY))
        if named := tuple(row for row in rows if row.key == request.key):
            return LaunchReport(adopted=named)
        return super().launch(request)


class KillsStrangers(WholeDriver):
    """Ends whatever it is told to."""

    def terminate(self, ids):
        self.request(lambda: self.cloud.terminate(ids))


class ListsStrangers(WholeDriver):
    """Lists what has no label of ours too."""

    def instances(self, selector):
        return (*super().instances(selector), *self.cloud.instances(Selector(SOMEBODY)))


class KillsWhatItCantRead(WholeDriver):
    """Takes the deployment's label for all that there is to ours."""

    def terminate(self, ids):
        for id in ids:
            self.cloud._world.odd.pop(id, None)
        super().terminate(ids)


class HidesWhatItCantRead(WholeDriver):
    """Leaves out what it can't read, and says nothing of it."""

    def instances(self, selector):
        return tuple(row for row in super().instances(selector) if isinstance(row, Instance))


class KnowsNoRegion(WholeDriver):
    """Lists and ends what the whole account has, wherever that is."""

    def instances(self, selector):
        return (*super().instances(selector), *self.place.elsewhere.cloud.instances(selector))

    def terminate(self, ids):
        super().terminate(ids)
        self.place.elsewhere.cloud.terminate(ids)


class EndsElsewhere(WholeDriver):
    """Lists its region, and ends whatever has the id."""

    def terminate(self, ids):
        super().terminate(ids)
        self.place.elsewhere.cloud.terminate(ids)


class LabelsElsewhere(WholeDriver):
    """Lists its region, and labels whatever has the id."""

    def label(self, ids, labels):
        with contextlib.suppress(NotFound):
            self.place.elsewhere.cloud.label(ids, labels)
        super().label(ids, labels)


class MetersElsewhere(WholeDriver):
    """Tells the use of whatever has the id."""

    def usage(self, ids):
        return {**self.place.elsewhere.cloud.usage(ids), **super().usage(ids)}


class ListsImagesElsewhere(WholeDriver):
    """Takes the account's images for the region's."""

    def images(self, selector):
        return (*super().images(selector), *self.place.elsewhere.cloud.images(selector))


class DeletesImagesElsewhere(WholeDriver):
    """Deletes whatever image has the id."""

    def delete_images(self, ids):
        super().delete_images(ids)
        self.place.elsewhere.cloud.delete_images(ids)


class NamesItsAccountOnly(WholeDriver):
    """Says one scope for every region."""

    def scope(self):
        return "the account"


class HearsEverybody(WholeDriver):
    """Whatever answers for the service takes every connection."""

    def probe(self, ids, check):
        return dict.fromkeys(self.cloud.probe(ids, check), Health.HEALTHY)


class LacksItsConsole(WholeDriver):
    """Declares a console, and has none."""

    console = None


class DeclaresLargerBatches(WholeDriver):
    """Declares batches of three, and takes two."""

    def launch(self, request):
        if request.count > 2:
            raise Invalid("too many at once", field="count")
        return super().launch(request)


class SellsNoSpot(WholeDriver):
    """Declares the spot market, and launches on demand all the same."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, markets=frozenset(Market))

    def launch(self, request):
        report = super().launch(attrs.evolve(request, market=Market.ON_DEMAND))
        return attrs.evolve(report, created=tuple(attrs.evolve(row, market=request.market) for row in report.created))


class DeclaresNoDelay(WholeDriver):
    """Lists what was launched ten seconds later, and declares no staleness."""

    def instances(self, selector):
        now = self.clock.now()
        return each(super().instances(selector), lambda row: row if row.launched_at + 10 <= now else None)


class ScopesTooWide(WholeDriver):
    """Takes a lack in one zone for one of the whole cloud."""

    def classify(self, code):
        if code == "StockOut":
            return OutOfCapacity("none left", code=code, scope=Scope(ScopeKind.CLOUD))
        return super().classify(code)


class NamesNoZone(WholeDriver):
    """Says that a machine type lacks, and not where."""

    def classify(self, code):
        if code == "StockOut":
            return OutOfCapacity("none left", code=code, scope=Scope(ScopeKind.MACHINE_TYPE, machine_type="small"))
        return super().classify(code)


class TakesQuotaForStock(WholeDriver):
    """Takes a limit of the account for a lack that passes."""

    def classify(self, code):
        return OutOfCapacity("none left", code=code, scope=super().classify(code).scope)


class Renames(WholeDriver):
    """Sends under another key than the request's, where `other` says so, and lists it under the request's."""

    def other(self, request: LaunchRequest) -> LaunchKey:
        raise NotImplementedError

    def send(self, request):
        other = attrs.evolve(request, key=self.other(request))
        self.place.notes[other.key] = request.key
        return super().launch(other)

    def instances(self, selector):
        return each(super().instances(selector), self._named)

    def _named(self, row):
        return attrs.evolve(row, key=self.place.notes.get(row.key, row.key))

    def _own(self, report):
        return attrs.evolve(report, created=tuple(map(self._named, report.created)))


class LaunchesTwice(Renames):
    """After a lost reply, asks under a key of its own."""

    def other(self, request):
        return LaunchKey(f"{request.key}-2")

    def launch(self, request):
        lost = self.place.notes.setdefault("lost", set())
        if request.key in lost:
            lost.discard(request.key)
            return self._own(self.send(request))
        try:
            return super().launch(request)
        except OutcomeUnknown:
            lost.add(request.key)
            raise


class SpendsAnotherKey(Renames):
    """Doesn't tell that a key is spent, but takes another."""

    def other(self, request):
        return LaunchKey(f"{request.key}-{len(self.place.notes)}")

    def launch(self, request):
        try:
            return super().launch(request)
        except KeySpent:
            return self._own(self.send(request))


class AdoptsTheEnding(WholeDriver):
    """Adopts by the key's labels, whether ending or not."""

    def launch(self, request):
        try:
            return super().launch(request)
        except KeySpent:
            rows = self.cloud.instances(Selector(request.deployment))
            return LaunchReport(adopted=tuple(row for row in rows if row.key == request.key))


class MissesConflicts(WholeDriver):
    """Adopts by key, whatever is asked for."""

    def launch(self, request):
        try:
            return super().launch(request)
        except KeyConflict:
            rows = self.cloud.instances(Selector(request.deployment))
            if adopted := tuple(row for row in rows if row.key == request.key):
                return LaunchReport(adopted=adopted)
            raise


class IgnoresTheCount(WholeDriver):
    """Takes a request for another count for the same one."""

    def launch(self, request):
        try:
            return super().launch(request)
        except KeyConflict:
            rows = tuple(row for row in self.cloud.instances(Selector(request.deployment)) if row.key == request.key)
            wanted = (request.revision, request.inputs, request.previous)
            if any((row.revision, row.inputs, row.previous) != wanted for row in rows):
                raise
            return LaunchReport(adopted=rows[: request.count], unknown=max(0, request.count - len(rows)))


class NeverFinishes(WholeDriver):
    """Takes ends for accepted, and none of them ever comes."""

    def instances(self, selector):
        ending = self.place.notes.setdefault("ending", {})
        rows = {row.id: row for row in super().instances(selector)}
        own = {id: row for id, row in rows.items() if isinstance(row, Instance)}
        ending.update({id: row for id, row in own.items() if row.phase is Phase.TERMINATING})
        stuck = {id: row for id, row in ending.items() if selector.matches(row)}
        return tuple({**rows, **stuck}.values())


class LabelsAnything(WholeDriver):
    """Sets whatever label it is told to, those of the launch too."""

    def label(self, ids, labels):
        fixed = {name: value for name, value in labels.items() if name != naming.KEPT_UNTIL}
        for id in ids if fixed else []:
            vm = self.cloud._world.vms[id]
            vm.row = attrs.evolve(vm.row, fleet=fixed.get(naming.FLEET, vm.row.fleet))
        if len(fixed) < len(labels):
            super().label(ids, {naming.KEPT_UNTIL: labels[naming.KEPT_UNTIL]})


class ForbidsLabels(WholeDriver):
    """Refuses a label of the launch, after it has set it."""

    def label(self, ids, labels):
        for id in ids if naming.FLEET in labels else []:
            vm = self.cloud._world.vms[id]
            vm.row = attrs.evolve(vm.row, fleet=labels[naming.FLEET])
        super().label(ids, labels)


class RefusesAbsentImages(WholeDriver):
    """Takes an image that is gone for a mistake, and bakes none."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, baker=False, staging=False)

    def delete_images(self, ids):
        raise NotFound(f"there is no {ids[0]}")


class ReadsTheEnvironment(WholeDriver):
    """Lets a variable turn something on."""

    def machine_types(self):
        os.environ.get("WHOLE_DEBUG")
        return super().machine_types()


class Prints(WholeDriver):
    """Says what it does."""

    def terminate(self, ids):
        print("ending", *ids)
        super().terminate(ids)


class Sleeps(WholeDriver):
    """Waits for the cloud."""

    def launch(self, request):
        time.sleep(0)
        return super().launch(request)


class PricesAtZero(WholeDriver):
    """Sells what has no known price for nothing."""

    def machine_types(self):
        return tuple(attrs.evolve(kind, prices={Market.ON_DEMAND: 0.0}) for kind in super().machine_types())


class KnowsNoPrice(WholeDriver):
    """Has no price list: no mistake, but less than it should have."""

    def machine_types(self):
        return tuple(attrs.evolve(kind, prices={}) for kind in super().machine_types())


class CutsLabels(WholeDriver):
    """Keeps forty signs of a label."""

    def instances(self, selector):
        return each(super().instances(selector), lambda row: attrs.evolve(row, inputs=row.inputs[:40]))


class ForgetsTheFleet(WholeDriver):
    """Selects by deployment only."""

    def instances(self, selector):
        return super().instances(Selector(selector.deployment))


class RefusesTheGone(WholeDriver):
    """Takes what has gone for a mistake."""

    def terminate(self, ids):
        vms = self.cloud._world.vms
        for id in ids:
            if id not in vms or not vms[id].row.phase.is_live:
                raise NotFound(f"there is no {id}")
        super().terminate(ids)


class EndsTheFleet(WholeDriver):
    """Ends every instance of the launch."""

    def terminate(self, ids):
        world = self.cloud._world.vms
        keys = {world[id].row.key for id in ids if id in world and world[id].row.deployment != SOMEBODY}
        super().terminate([vm.row.id for vm in world.values() if vm.row.key in keys][:3])


class LetsOthersOut(WholeDriver):
    """Lets an error of its own out."""

    kinds: ClassVar[dict[str, int]] = {"small": 1}

    def launch(self, request):
        assert self.kinds[request.machine_type]
        return super().launch(request)


class TellsSecrets(WholeDriver):
    """Puts the request into the error's text."""

    def launch(self, request):
        try:
            return super().launch(request)
        except Invalid as error:
            raise Invalid(f"{error.message}: {dict(request.env)}", field=error.field) from None


class RemembersOnly(WholeDriver):
    """Lists what this connection launched."""

    def __init__(self, place, fault=None):
        super().__init__(place, fault)
        self.own = set()

    def launch(self, request):
        report = super().launch(request)
        self.own |= {row.id for row in (*report.created, *report.adopted)}
        return report

    def instances(self, selector):
        return tuple(row for row in super().instances(selector) if row.id in self.own)


class ServesUndeclared(WholeDriver):
    """Registers with balancers that it doesn't declare."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, balancer=False)


class GivesNoReason(WholeDriver):
    """Says that a member gets no requests, and not why."""

    def members(self, balancer):
        return {id: Standing(told.membership) for id, told in super().members(balancer).items()}


class LabelsUndeclared(WholeDriver):
    """Sets labels that it doesn't declare to be mutable."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, mutable_labels=False)


class NamesNoField(WholeDriver):
    """Says that a request is wrong, and not where."""

    def launch(self, request):
        try:
            return super().launch(request)
        except Invalid as error:
            raise Invalid(error.message) from None


class ChangesItsMind(WholeDriver):
    """Declares something else each time."""

    asked = 0

    @property
    def capabilities(self):
        ChangesItsMind.asked += 1
        return attrs.evolve(CAN, label_count=50 + ChangesItsMind.asked)


class Hangs(WholeDriver):
    """Waits for an answer for as long as it takes."""

    def launch(self, request):
        if self.fault is Fault.SILENCE:
            threading.Event().wait(5)
        return super().launch(request)


class CapturesWhatRuns(WholeDriver):
    """Makes images of what runs, half-written as it is."""

    def capture(self, request):
        vm = self.cloud._world.vms.get(request.builder)
        if vm is None or vm.row.phase is not Phase.RUNNING:
            return super().capture(request)
        row, vm.row = vm.row, attrs.evolve(vm.row, phase=Phase.STOPPED)
        try:
            return super().capture(request)
        finally:
            vm.row = row


class BakesOnBakes(WholeDriver):
    """Takes the newest image for the base, though it was made from that."""

    def resolve(self, base):
        made = list(self.cloud._images.rows)
        return made[-1] if made and base == WholeKit.base else super().resolve(base)


class CapturesAnew(WholeDriver):
    """Doesn't look whether there is an image of that digest."""

    def capture(self, request):
        images = self.cloud._images
        same = [id for id, row in images.rows.items() if row.digest == request.digest]
        kept = {id: images.rows.pop(id) for id in same}
        try:
            made = super().capture(request)
        finally:
            images.rows.update({ImageId(f"{id}-{len(images.rows)}"): row for id, row in kept.items()})
        return made


class MarksWhatItCaptures(WholeDriver):
    """Marks an image before a bake has verified it."""

    def capture(self, request):
        image = super().capture(request)
        self.cloud.mark_verified(image)
        return image


class MarksOnce(WholeDriver):
    """Refuses to mark an image that is marked already."""

    def mark_verified(self, image):
        if any(row.verified for row in self.cloud._images.rows.values() if row.id == image):
            raise Invalid(f"{image} is marked already")
        super().mark_verified(image)


class MarksWhatIsGone(WholeDriver):
    """Takes an image that is gone for marked."""

    def mark_verified(self, image):
        with contextlib.suppress(NotFound):
            super().mark_verified(image)


class MarksStrangers(WholeDriver):
    """Marks whatever image it is told to."""

    def mark_verified(self, image):
        if image in self.cloud._images.rows:
            self.cloud._images.rows[image] = attrs.evolve(self.cloud._images.rows[image], verified=True)
        else:
            super().mark_verified(image)


class DeletesWhatItCan(WholeDriver):
    """Deletes one image after the other, as far as it gets."""

    def delete_images(self, ids):
        for id in ids:
            self.cloud.delete_images([id])


class DeletesStrangersImages(WholeDriver):
    """Deletes whatever image it is told to."""

    def delete_images(self, ids):
        rows = self.cloud._images.rows
        strangers = [id for id in ids if id in rows and not rows[id].deployment]
        rows.update({id: attrs.evolve(rows[id], deployment=UNLABELLED) for id in strangers})
        self.cloud.delete_images(ids)


class LetsBuildersGo(WholeDriver):
    """Leaves the provider's default, by which a VM that powers off is ended."""

    def instances(self, selector):
        rows = super().instances(selector)
        self.cloud.terminate([row.id for row in rows if getattr(row, "phase", None) is Phase.STOPPED])
        return super().instances(selector)


class CutsScripts(WholeDriver):
    """Sends as much of a script as there is room for."""

    def launch(self, request):
        return super().launch(attrs.evolve(request, script=request.script[: CAN.script_bytes]))


class KeepsStaged(WholeDriver):
    """Leaves staged data to be cleaned up by somebody."""

    def unstage(self, names):
        pass


class MetersEverybody(WholeDriver):
    """Tells the use of everything in the deployment."""

    def usage(self, ids):
        return self.cloud.usage(list(self.cloud._world.vms))


class BakesUndeclared(WholeDriver):
    """Bakes, and doesn't declare it."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, baker=False)


class ForeseesTooMuch(WholeDriver):
    """Takes what it hasn't looked at for wrong."""

    def check(self, requests, balancer):
        return (Problem("options", "who knows?"),)


class ForeseesNothing(WholeDriver):
    """Looks at nothing."""

    def check(self, requests, balancer):
        return ()


class ForeseesByLaunching(WholeDriver):
    """Tries it out."""

    def check(self, requests, balancer):
        problems = super().check(requests, balancer)
        if not problems:
            self.cloud.launch(requests[0])
        return problems


class MissesImagesToCome(WholeDriver):
    """Takes an image that isn't known yet for one that isn't there."""

    def check(self, requests, balancer):
        missing = tuple(Problem("image", "there is none") for request in requests if not request.image)
        return (*missing, *super().check(requests, balancer))


class ChecksUndeclared(WholeDriver):
    """Checks, and doesn't declare it."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, checks=False)


class CountsBelowZero(WholeDriver):
    """Takes what is free for what is used, less what there may be."""

    def limits(self):
        return tuple(attrs.evolve(limit, used=limit.used - limit.most) for limit in super().limits())


class CountsForNothing(WholeDriver):
    """Says that some machine types cost nothing instead of leaving them out."""

    def limits(self):
        return tuple(attrs.evolve(limit, costs={**limit.costs, "large": 0}) for limit in super().limits())


class LimitsTheUnsold(WholeDriver):
    """Counts machine types that it doesn't list."""

    def limits(self):
        return tuple(attrs.evolve(limit, costs={**limit.costs, "huge": 1}) for limit in super().limits())


class LimitsTwice(WholeDriver):
    """Reads a limit from two places."""

    def limits(self):
        return (*super().limits(), *(attrs.evolve(limit, most=limit.most + 1) for limit in super().limits()))


class CountsNothing(WholeDriver):
    """Doesn't read what is used."""

    def limits(self):
        return tuple(attrs.evolve(limit, used=0) for limit in super().limits())


class LimitsUndeclared(WholeDriver):
    """Has limits, and doesn't declare it."""

    @property
    def capabilities(self):
        return attrs.evolve(CAN, limits=False)
