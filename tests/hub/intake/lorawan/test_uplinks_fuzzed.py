"""Random uplinks are all accounted for: `make fuzz-lorawan` does the same with as many as one likes."""

import json

import pytest

from hub.wire.lorawan.uplink import read_uplink
from tests.fuzz.lorawan import BAD, Uplinks, run


def test_every_uplink_is_accounted_for(tmp_path):
    found = run(tmp_path, 400, seed=5)
    assert not any(found[name] for name in BAD), found
    assert found["good"] > 80
    assert found["repeated"] > 20
    assert found["quarantined"] > 100


@pytest.mark.parametrize("member", ["fPort", "fCnt"])
@pytest.mark.parametrize("value", [-1, 2**33])
def test_a_port_or_counter_that_no_frame_has_is_refused(member, value):
    said = json.loads(Uplinks(1).good()[0])
    with pytest.raises(ValueError, match=r"expected 0 to 255, 0 to 4294967295"):
        read_uplink(json.dumps(said | {member: value}).encode())
