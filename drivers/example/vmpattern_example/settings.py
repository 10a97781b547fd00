"""What a file can say under [clouds.NAME]."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

import attrs

from vmpattern.errors import Problem, SpecError


@attrs.frozen(kw_only=True)
class ExampleOptions:
    """The options of a cloud whose instances are processes.

    `images`: what each image runs, a command of the shell by the image's id. `path`: the folder in which the processes
    live. `capacity`: how many there may be in a zone. `grace`: how long one has to end before it is killed. `price`:
    what an hour of one is taken to cost, in dollars, if that is known.

    Raises:
        SpecError: a value can't be; every one of them, by option.
    """

    images: Mapping[str, str]
    path: str = ".vmpattern/example"
    zones: tuple[str, ...] = ("here",)
    capacity: int = 10
    grace: timedelta = timedelta(seconds=5)
    price: float | None = None

    def __attrs_post_init__(self) -> None:
        if problems := tuple(self._problems()):
            raise SpecError(problems)

    def _problems(self) -> Iterator[Problem]:
        if not self.images:
            yield Problem("images", 'expected at least one image, such as { web-1 = "exec ./serve" }')
        if not self.zones:
            yield Problem("zones", "expected at least one zone")
        if self.capacity < 1:
            yield Problem("capacity", f"expected at least 1, found {self.capacity}")
        if self.price is not None and not self.price > 0:
            yield Problem("price", f"expected dollars an hour above 0, found {self.price:g}; leave out if unknown")
