"""A kill at a random moment while badges and bins send: `make torture-badges` does the same as often as one likes."""

import asyncio
import copy
from collections import Counter

from tests.conftest import require
from tests.torture_badges import BAD, OUTSIDE, exposed, in_log, run

LATITUDE = f"{OUTSIDE + 0.001:.6f}"


class Worn:
    """A badge that said something outside a shift."""

    made = (f"UD,010126,000000,A,{LATITUDE},N,113.100000,E",)


def test_nothing_is_lost_twice_late_or_kept_outside_a_shift_after_a_kill(tmp_path):
    require("mosquitto")
    found = asyncio.run(run(tmp_path, 1, 3, 4))
    assert not any(found[name] for name in BAD), found
    assert found["by_kind"]["hub"] == 1
    assert found["calls"] > 1
    assert found["uplinks"] > 5
    assert found["outside"] > 5
    # The count can find what is wrong: take one away, or put a position where none may be.
    there, calls = in_log(tmp_path)
    less = copy.copy(there)
    del less[next(iter(there))]
    assert (there - less).total() == 1
    assert len(calls) == found["calls"]
    assert Counter(there).most_common(1)[0][1] == 1
    (tmp_path / "data" / "left.db-wal").write_bytes(b"\0" * 100 + LATITUDE.encode())
    assert exposed(tmp_path, {"b0": Worn}) == (1, 1)
