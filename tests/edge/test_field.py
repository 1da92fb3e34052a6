"""What a technician's laptop sees of the agent through the serial line."""

import json
import os

from edge import drivers, field, selfcheck
from edge.board_host import Board
from edge.calibration import Calibration
from tests.edge.helpers import raises, tmp_dir
from tests.edge.test_agent import Dust, records_in

CALIBRATION = {"id": 1, "due": "2027-05-01", "channels": {"pm10": {"offset": -2}}}


def configured(driver, interval=1):
    """Return the path of a configuration with one sensor and no broker at the other end."""
    folder = tmp_dir()
    drivers.make = lambda settings, port: driver
    config = {
        "district": "nanhai",
        "site": "pit",
        "device": "pit-1",
        "key_file": folder + "/key",
        "folder": folder,
        "interval": interval,
        "period": 0.1,
        "broker": {"host": "127.0.0.1", "port": 1},
        "sensors": [{"name": "dust", "type": "any", "port": "tcp:127.0.0.1:1"}],
    }
    with open(folder + "/key", "w") as file:
        file.write("00" * 32)
    with open(folder + "/config.json", "w") as file:
        file.write(json.dumps(config))
    return folder


def watch(folder, enough, **options):
    """Run the agent until `enough(line)` holds for what it shows; return the lines shown. Ctrl-C ends it."""
    shown = []

    def show(text):
        if text.startswith(field.MARK):
            shown.append(json.loads(text[len(field.MARK) :]))
            if enough(shown[-1]):
                raise KeyboardInterrupt
            assert len(shown) < 300, shown[-1]

    field.print = show
    field.run(every=0.1, path=folder + "/config.json", **options)
    return shown


def test_it_shows_samples_before_and_after_the_calibration_and_why_there_is_no_connection():
    folder = configured(Dust())
    Calibration(folder + "/calibration.json").replace(CALIBRATION)
    last = watch(folder, lambda line: line["values"] and line["problem"])[-1]
    assert (last["raw"], last["values"], last["cal"]) == ({"pm10": 80}, {"pm10": 78}, 1)
    assert last["sensors"]["dust"]["flag"] == "N"
    assert last["sensors"]["dust"]["channels"] == ["pm10"]
    assert (not last["connected"] and "OSError" in last["problem"]) or "Connection" in last["problem"]
    assert last["clock"] == "ntp"
    assert last["t"] > 1704067200


def test_a_silent_sensor_is_shown_with_its_reason():
    folder = configured(Dust(drivers.Silent("nothing for 3 s")))
    last = watch(folder, lambda line: line["sensors"]["dust"]["why"])[-1]
    assert last["sensors"]["dust"]["why"] == "nothing for 3 s"
    assert last["raw"] == {}


def test_while_somebody_works_at_a_sensor_its_records_carry_c_and_a_later_run_goes_on_behind_them():
    folder = configured(Dust())
    shown = watch(folder, lambda line: line["next"] > 2, flag="C", sensors=["dust"])
    assert shown[-1]["sensors"]["dust"]["flag"] == "C"
    made = records_in(folder)
    assert made
    assert all(record["f"] == {"pm10": "C"} for record in made)
    shown = watch(folder, lambda line: line["next"] > line["first"])
    assert shown[0]["first"] == len(made) + 1
    assert "f" not in records_in(folder)[-1]


def test_a_calibration_is_in_force_read_back_and_kept_to_be_told_or_refused_whole():
    folder = configured(Dust())
    shown = []
    field.print = shown.append
    order = {"calibration": CALIBRATION, "who": "Li", "reference": "zero filter 7"}
    field.calibrate(order, folder + "/config.json")
    assert json.loads(shown[0][len(field.MARK) :]) == CALIBRATION
    with open(folder + "/events") as file:
        event = json.loads(file.read())
    assert event["event"] == "calibration"
    assert event["t"] > 1704067200
    assert event["detail"]["before"] == {"id": 0, "channels": {}}
    assert event["detail"]["who"] == "Li"

    order["calibration"] = {"id": 2, "channels": {"pm11": {"offset": 1}}}
    assert "pm11" in str(raises(ValueError, field.calibrate, order, folder + "/config.json"))
    assert Calibration(folder + "/calibration.json").id == 1


def test_the_board_says_of_itself_what_its_storage_outbox_and_buses_are_like():
    folder = configured(Dust())
    watch(folder, lambda line: line["next"] > 2)
    shown = []
    selfcheck.print = shown.append
    selfcheck.look(folder + "/config.json")
    told = json.loads(shown[0][len(field.MARK) :])
    assert told["storage"]["problem"] == ""
    assert told["storage"]["free"] is None or told["storage"]["free"] > selfcheck.PIECE
    assert told["outbox"]["records"] == len(records_in(folder))
    assert told["outbox"]["damaged"] == 0
    assert told["buses"] == {}
    assert "selfcheck" not in os.listdir(folder)


def test_a_medium_that_cannot_be_written_and_a_bus_that_is_not_there_are_told():
    assert selfcheck.storage(tmp_dir() + "/missing")["problem"]
    found = selfcheck.buses(Board({"folder": ""}), [{"port": "i2c:0:sda=21:scl=22"}, {"port": "tcp:127.0.0.1:1"}])
    assert list(found) == ["i2c:0:sda=21:scl=22"]
    assert "no such bus" in found["i2c:0:sda=21:scl=22"]["problem"]
