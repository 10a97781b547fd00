"""Foresight: what is bound to fail is told before anything is launched, at its place, and nothing else is."""

from vmpattern.driver import Checker, LaunchRequest
from vmpattern.errors import Unsupported
from vmpattern.model import ImageId
from vmpattern.testing.bench import Bench, expect, told
from vmpattern.testing.clauses import clause


@clause("check-1", "`check` finds nothing wrong with what can be launched, and changes nothing.", exercises="checks")
def finds_nothing_wrong_with_what_works(bench: Bench) -> None:
    checker, request = _checker(bench), bench.request()
    found = bench.patiently(lambda: checker.check([request], bench.kit.balancer))
    expect(not found, f"it can be launched, and is said to fail: {told(found)}")
    bench.settle()
    made = bench.live(request.key)
    expect(not made, f"a check made {told(made)}")


@clause("check-2", "`check` tells of an image that isn't there, with the path `image`.", exercises="checks")
def tells_of_a_missing_image(bench: Bench) -> None:
    _expect(bench, bench.request(image=ImageId("no-such-image")), "image")


@clause("check-3", "`check` tells of an option that the driver doesn't know, with its path.", exercises="checks")
def tells_of_an_unknown_option(bench: Bench) -> None:
    options = bench.kit.options.set("no_such_option", "x")
    _expect(bench, bench.request(options=options), "options.no_such_option")


@clause("check-4", "`check` says nothing of an image that isn't known yet.", exercises="checks")
def says_nothing_of_an_image_to_come(bench: Bench) -> None:
    checker, request = _checker(bench), bench.request(image=ImageId(""))
    found = bench.patiently(lambda: checker.check([request], None))
    expect(not found, f"of an image that isn't known yet it says: {told(found)}")


@clause("check-5", "Without `checks`, `check` raises `Unsupported` where it is there at all.")
def undeclared_checks_are_refused(bench: Bench) -> None:
    driver = bench.driver
    if bench.can.checks or not isinstance(driver, Checker):
        bench.skip("checks are declared" if bench.can.checks else "the driver has none")
    bench.raises(Unsupported, "check, which isn't declared,", lambda: driver.check([bench.request()], None))


def _checker(bench: Bench) -> Checker:
    if not bench.can.checks or not isinstance(bench.driver, Checker):
        bench.skip("checks aren't declared")
    return bench.driver


def _expect(bench: Bench, request: LaunchRequest, path: str) -> None:
    checker = _checker(bench)
    found = bench.patiently(lambda: checker.check([request], bench.kit.balancer))
    paths = {problem.path for problem in found}
    expect(paths == {path}, f"expected a problem of {path}, found {told(sorted(paths))}")
