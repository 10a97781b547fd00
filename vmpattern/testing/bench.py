"""Where one check works: a deployment of its own, requests for it, waiting, and putting everything away afterwards."""

import contextlib
import queue
import threading
import uuid
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn, TypeVar

import attrs

from vmpattern import naming
from vmpattern.driver import Driver, LaunchReport, LaunchRequest, Selector
from vmpattern.errors import DriverError, KeySpent, Throttled
from vmpattern.model import (
    Idempotency,
    Image,
    Instance,
    InstanceId,
    LaunchKey,
    Market,
    Mislabelled,
    Phase,
    Revision,
)
from vmpattern.testing.kit import Fault, Kit, NotGiven, Skipped

STEPS = 20
"""Into so many steps the settle time is cut where something is waited for."""

PAUSE_S = 1.0
FLEET = "checked"
Answer = TypeVar("Answer")


class Broken(AssertionError):
    """The driver doesn't do what the clause says."""


def expect(kept: bool, otherwise: str) -> None:
    """Go on if a promise is kept.

    Raises:
        Broken: it isn't; says how.
    """
    if not kept:
        raise Broken(otherwise)


def told(found: Iterable[object]) -> str:
    """Return a few values for a message."""
    words = [str(one) for one in found]
    return ", ".join(words[:5]) + (f" and {len(words) - 5} more" if len(words) > 5 else "") if words else "none"


class Bench:
    """One check's place of work. Nothing of another check is seen here, and nothing stays afterwards."""

    def __init__(self, kit: Kit, name: str, *, deployment: str = "") -> None:
        self.kit = kit
        self.deployment = deployment or f"kit-{uuid.uuid4().hex[:8]}-{name}"[:40]
        self.selector = Selector(self.deployment)
        self.strangers: list[InstanceId] = []
        self._name = name
        self._keys = 0
        self._open: list[Driver] = []
        self._others: list[Selector] = []
        self.driver = self.connect()
        self.can = self.driver.capabilities

    # -- what a check does --------------------------------------------------------------------------------------------

    def connect(self, fault: Fault | None = None) -> Driver:
        """Make one more connection, which is closed with the bench."""
        driver = self.kit.connect() if fault is None else self.kit.connect_with(fault)
        self._open.append(driver)
        return driver

    def request(self, count: int = 1, **changes: object) -> LaunchRequest:
        """Return a request with a key of its own."""
        self._keys += 1
        usual = LaunchRequest(
            key=LaunchKey("k" + naming.digest(self.deployment, self._name, self._keys, size=31)),
            count=count,
            deployment=self.deployment,
            fleet=FLEET,
            revision=Revision(naming.digest("revision")),
            inputs="i" + naming.digest("image", size=6),
            zone=self.kit.zone,
            machine_type=self.kit.machine_type,
            market=Market.ON_DEMAND,
            image=self.kit.image,
            options=self.kit.options,
        )
        made = attrs.evolve(usual, **changes)  # type: ignore[arg-type]
        if made.deployment != self.deployment:
            self._others.append(Selector(made.deployment))
        return made

    def launch(self, request: LaunchRequest, driver: Driver | None = None) -> LaunchReport:
        """Launch, and expect the report to be whole."""
        chosen = driver or self.driver
        report = self.patiently(lambda: chosen.launch(request))
        rows = (*report.created, *report.adopted)
        total = len(rows) + len(report.failures) + report.unknown
        expect(total == request.count, f"a launch of {request.count} reported on {total} instances")
        return report

    def launched(self, count: int = 1, **changes: object) -> tuple[Instance, ...]:
        """Launch instances that every list shows, and return their rows as listed, sorted by id."""
        request = self.request(count, **changes)
        report = self.launch(request)
        made = {row.id for row in (*report.created, *report.adopted)}
        expect(len(made) == count, f"a launch of {count} gave {len(made)}; failures: {told(report.failures)}")
        chosen = Selector(request.deployment)
        self.until(lambda: made <= {row.id for row in self.rows(chosen)}, "a list shows what was launched")
        return tuple(sorted((row for row in self.rows(chosen) if row.id in made), key=lambda row: row.id))

    def rows(self, selector: Selector | None = None) -> tuple[Instance, ...]:
        """List, through the bench's own connection; the bench's deployment unless said otherwise."""
        return tuple(row for row in self._listed(selector or self.selector) if isinstance(row, Instance))

    def mislabelled(self) -> dict[InstanceId, str]:
        """List the VMs of the bench's deployment whose labels can't be read, each with the reason."""
        return {row.id: row.reason for row in self._listed(self.selector) if isinstance(row, Mislabelled)}

    def _listed(self, selector: Selector) -> tuple[Instance | Mislabelled, ...]:
        return self.patiently(lambda: self.driver.instances(selector))

    def images(self) -> tuple[Image, ...]:
        """List the bench's images, through its own connection."""
        return self.patiently(lambda: self.driver.images(self.selector))

    def terminate(self, ids: Iterable[InstanceId]) -> None:
        """End instances, through the bench's own connection."""
        chosen = list(ids)
        self.patiently(lambda: self.driver.terminate(chosen))

    def patiently(self, call: Callable[[], Answer]) -> Answer:
        """Make a call again while the cloud's request budget is spent, as a reconciler would; not for ever."""
        for _ in range(STEPS):
            try:
                return call()
            except Throttled as error:
                self.kit.let_pass(self.driver, error.retry_after_s or PAUSE_S)
        return call()

    def raises(
        self, kind: type[DriverError] | tuple[type[DriverError], ...], what: str, call: Callable[[], object]
    ) -> DriverError:
        """Expect a call to raise one of these errors, and return it; a cloud that is asked too much is asked later.

        Raises:
            Broken: it raised another, or none.
        """
        kinds = kind if isinstance(kind, tuple) else (kind,)
        names = " or ".join(one.__name__ for one in kinds)
        try:
            call() if Throttled in kinds else self.patiently(call)
        except kinds as error:
            return error
        except DriverError as error:
            raise Broken(f"{what} raised {type(error).__name__}, expected {names}: {error}") from error
        raise Broken(f"{what} raised nothing, expected {names}")

    def live(self, key: LaunchKey | None = None) -> list[InstanceId]:
        """List the ids of what is live, of one key or of all, sorted; an id that is listed twice is there twice."""
        return sorted(row.id for row in self.rows() if row.phase.is_live and key in (None, row.key))

    def settle(self) -> None:
        """Let everything take its effect."""
        self.kit.let_pass(self.driver, self.kit.settle_s)

    def until(self, holds: Callable[[], bool], what: str) -> None:
        """Wait until something holds.

        Raises:
            Broken: it doesn't within the settle time.
        """
        for _ in range(STEPS):
            if holds():
                return
            self.kit.let_pass(self.driver, self.kit.settle_s / STEPS)
        expect(holds(), f"{self.kit.settle_s:g} s passed before {what}")

    def ended(self, ids: Iterable[InstanceId]) -> bool:
        """Tell whether none of these is listed as live."""
        return not set(ids) & set(self.live())

    def stranger(self, request: LaunchRequest) -> InstanceId:
        """Plant a VM without our labels."""
        id = self.kit.plant_stranger(request)
        self.strangers.append(id)
        return id

    def together(self, *calls: Callable[[], Answer]) -> list[Answer | DriverError]:
        """Make calls at once, each in a thread of its own; return what each returned or raised."""

        def answer(call: Callable[[], Answer]) -> Answer | DriverError:
            try:
                return self.patiently(call)
            except DriverError as error:
                return error

        with ThreadPoolExecutor(len(calls)) as threads:
            return list(threads.map(answer, calls))

    def need_keys(self) -> None:
        """Go on only where a launch that is sent again is one."""
        if self.can.idempotency is Idempotency.NONE:
            self.skip("the driver declares that a launch sent twice launches twice")

    def need_room(self, count: int) -> None:
        """Go on only if the kit allows so many instances."""
        if count > self.kit.most:
            raise NotGiven(f"most = {count}", f"it takes {count} instances, and the kit allows {self.kit.most}")

    def skip(self, reason: str) -> NoReturn:
        """Leave the check, which can't be made here."""
        raise Skipped(reason)

    @contextlib.contextmanager
    def elsewhere(self) -> Generator["Bench"]:
        """Lend a bench in another scope of the account, for the same deployment; it is put away afterwards."""
        other = Bench(self.kit.elsewhere(), "elsewhere", deployment=self.deployment)
        try:
            yield other
        finally:
            amiss = other.close()
        expect(not amiss, f"in the other scope: {'; '.join(amiss)}")

    # -- afterwards ---------------------------------------------------------------------------------------------------

    def close(self) -> tuple[str, ...]:
        """End everything of the bench and close its connections; return what is amiss, a sentence each."""
        amiss: list[str] = []
        try:
            left = self._put_away()
            amiss += [f"{id} is left behind" for id in left]
        except Exception as error:
            amiss.append(f"{self.deployment} couldn't be put away: {error}")
        for id in self.strangers:
            if not self.kit.stranger_lives(id):
                amiss.append(f"the stranger's VM {id} was touched")
        for driver in self._open:
            with contextlib.suppress(DriverError):
                driver.close()
        return tuple(amiss)

    def _put_away(self) -> list[InstanceId]:
        # A launch that nobody heard of any more may show as late as the driver declares.
        late_s = self.can.staleness_s
        left: list[InstanceId] = []
        for _ in range(3):
            if self._keys:
                self.kit.let_pass(self.driver, late_s)
            left = self._left()
            if not left:
                self._delete_images()
                return []
            for first in range(0, len(left), self.can.max_terminate):
                self.terminate(left[first : first + self.can.max_terminate])
            with contextlib.suppress(Broken):
                self.until(lambda: not self._left(), "everything is ended")
        return left

    def _delete_images(self) -> None:
        if ids := [image.id for image in self.images()]:
            # A driver may hold that what is ending still runs from its image.
            with contextlib.suppress(Broken):
                self.until(lambda: not self._ending(), "what runs from the images is gone")
            self.patiently(lambda: self.driver.delete_images(ids))

    def _left(self) -> list[InstanceId]:
        # A driver that lists strangers' VMs must not make the kit end them.
        rows = ((selector, row) for selector in self._selectors() for row in self.rows(selector))
        return [row.id for selector, row in rows if row.phase.is_live and selector.matches(row)]

    def _ending(self) -> bool:
        return any(row.phase is Phase.TERMINATING for selector in self._selectors() for row in self.rows(selector))

    def _selectors(self) -> list[Selector]:
        return [self.selector, *dict.fromkeys(self._others)]


def within(seconds: float, call: Callable[[], object], what: str) -> DriverError:
    """Expect a call to raise within so much real time, and return its error; a call that hangs is left behind.

    Raises:
        Broken: it didn't, or it returned something.
    """
    answers: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def run() -> None:
        try:
            call()
        except Exception as error:
            answers.put(error)
        else:
            answers.put(None)

    threading.Thread(target=run, daemon=True, name=what).start()
    try:
        error = answers.get(timeout=seconds)
    except queue.Empty:
        raise Broken(f"{what} that is never answered took longer than {seconds:g} s") from None
    if error is None:
        raise Broken(f"{what} that is never answered returned something")
    if not isinstance(error, DriverError):
        raise error
    return error


def is_spent(report: LaunchReport) -> bool:
    """Tell whether a report says of every instance that the key is spent."""
    return bool(report.failures) and all(isinstance(one, KeySpent) for one in report.failures) and not report.unknown
