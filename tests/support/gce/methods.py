"""Which function answers which method: filled by the modules of each noun."""

from collections.abc import Callable

from gce.world import Call, Resource, World

Handler = Callable[[World, Call], Resource]
HANDLERS: dict[str, Handler] = {}


def method(*ids: str) -> Callable[[Handler], Handler]:
    """Register what answers these methods."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update(dict.fromkeys(ids, handler))
        return handler

    return register
