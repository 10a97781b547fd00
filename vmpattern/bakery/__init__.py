"""Making images out of recipes, and clearing away old ones: with a session that is open, as the operations do."""

from vmpattern.bakery.orders import DEADLINE_S, Policy
from vmpattern.bakery.pruning import KEEP, Pruned, images_in, prune_in
from vmpattern.bakery.run import bake_all
from vmpattern.bakery.services import bake_services
from vmpattern.bakery.strays import end_builders_in

__all__ = [
    "DEADLINE_S",
    "KEEP",
    "Policy",
    "Pruned",
    "bake_all",
    "bake_services",
    "end_builders_in",
    "images_in",
    "prune_in",
]
