"""What the board's own software does for the laptop, whatever became of its interpreter in between."""

from contextlib import closing

from firmware.link import session
from firmware.link.link import Link


def test_watching_and_calibrating_go_on_when_the_interpreter_was_started_anew(bench):
    bench.provision("pit-1")
    with Link.open(bench.board.port) as link:
        session.enter(link)
        for _ in range(2):
            with closing(session.watch(link, 0.2)) as shown:
                assert next(shown).sensors
            link.soft_reset()  # as when what is stopped gives no answer
        content = {"id": 1, "due": "2099-01-31", "channels": {"laf": {"gain": 1.0, "offset": 0.5}}}
        kept = session.put_calibration(link, content, "Li", "BAM 1020")
    assert kept["channels"] == content["channels"]
