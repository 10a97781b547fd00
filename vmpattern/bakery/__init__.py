"""Making images out of recipes: of a plan before it is carried out, or by itself; and clearing away old ones."""

from vmpattern.bakery.applying import apply, bake
from vmpattern.bakery.orders import Policy
from vmpattern.bakery.pruning import KEEP, Pruned, images, prune
from vmpattern.bakery.run import bake_all
from vmpattern.bakery.strays import end_builders

__all__ = ["KEEP", "Policy", "Pruned", "apply", "bake", "bake_all", "end_builders", "images", "prune"]
