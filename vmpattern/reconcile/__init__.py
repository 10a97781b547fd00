"""The loop for fleets: observe, decide, dispatch, wait, until each is as asked for or can't get there."""

from vmpattern.reconcile.reconcile import FleetOrder, carry_out

__all__ = ["FleetOrder", "carry_out"]
