"""Random frames of badges are all accounted for: `make fuzz-badges` does the same with as many as one likes."""

from tests.fuzz.badges import BAD, run


def test_every_byte_is_accounted_for_no_call_is_missed_and_nothing_outside_a_shift_is_kept(tmp_path):
    found = run(tmp_path, 600, seed=5)
    assert not any(found[name] for name in BAD), found
    assert found["good"] > 100
    assert found["outside"] > 30
    assert found["quarantined"] > 50
