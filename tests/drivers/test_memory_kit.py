"""The memory driver keeps every clause of the contract, with each way of treating keys."""

from vmpattern.model import Idempotency
from vmpattern.testing import DriverSuite
from vmpattern_memory.checks import MemoryKit


class TestBatch(MemoryKit, DriverSuite):
    idempotency = Idempotency.BATCH


class TestInstance(MemoryKit, DriverSuite):
    idempotency = Idempotency.INSTANCE


class TestNone(MemoryKit, DriverSuite):
    idempotency = Idempotency.NONE
