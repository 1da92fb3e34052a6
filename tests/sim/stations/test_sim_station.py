"""Simulated stations on a real hub that is killed: what was acknowledged is there once, gaps are filled."""

import asyncio

from tests.torture_stations import run


def test_after_two_kills_everything_acknowledged_is_in_log_and_store_once(tmp_path):
    figures = asyncio.run(run(tmp_path, kills=2, stations=5, seed=3, every=0.2))
    assert figures["kills"] >= 2
    assert figures["acknowledged"] > 5
    assert {name: figures[name] for name in ("lost", "duplicated", "tracebacks")} == {
        "lost": 0,
        "duplicated": 0,
        "tracebacks": 0,
    }, figures
