"""What providers call the phases of a VM, in our words."""

from collections.abc import Mapping

from vmpattern.model import Phase


def phase_of(state: str, table: Mapping[str, Phase]) -> Phase:
    """Return the phase that a provider's state stands for; capitals don't matter in `state`, `table` has small letters.

    Guarantees:
        A state that the table lacks is PENDING: the VM exists, so it counts, but is neither ready nor over.
    """
    return table.get(state.lower(), Phase.PENDING)
