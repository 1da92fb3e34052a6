"""On CPython all tests share one process: what a test of the agent puts in place of a driver is put back."""

import pytest

from edge import agent, drivers


@pytest.fixture(autouse=True)
def _as_it_was(monkeypatch):
    monkeypatch.setattr(drivers, "make", drivers.make)
    monkeypatch.setattr(agent, "LINGER", agent.LINGER)
