"""Calibrations by the real command line, on a board whose sensors are put into a calibrator, a filter, a gas."""

import datetime as dt
import json
import signal

import pytest

from edge import outbox
from firmware.link.link import Link
from firmware.notebook.calibrations import Ledger
from tests.firmware.benchtop import REFERENCE, here
from tests.json_lines import rows_of

QUICK = ("--settle", "1.5", "--patience", "20", "--yes", "--json", "--who", "Technician 7")


@pytest.fixture
def bench(shared):
    """The file's board; nothing is held to its sensors."""
    shared.hold()
    return shared


def kept(bench):
    """Return the calibration in force on the board."""
    with Link.open(bench.board.port) as link:
        return json.loads(link.read("/outbox/calibration.json")) if link.size("/outbox/calibration.json") else None


def records(bench):
    """Return the records in the board's outbox."""
    with Link.open(bench.board.port) as link:
        files = [link.read(path) for path in sorted(link.files("/outbox")) if path.endswith(".seg")]
    lines = [line for file in files for line in file.splitlines(keepends=True)]
    return [json.loads(entry[1].split(b" ", 2)[2]) for line in lines if (entry := outbox.parse(line))]


def test_noise_by_a_calibrator_then_again_with_the_drift_since(bench):
    bench.hold(laf=94.6)
    first = bench.ok("calibrate", "noise", *REFERENCE, *QUICK, "--conditions", "dry, calm")
    assert first["after"] == {"offset": -0.6}
    assert "drift" not in first
    assert (first["who"], first["conditions"], first["method"]) == ("Technician 7", "dry, calm", "noise")
    assert first["readings"][0] | {"seconds": 0} == {
        "true": 94.0, "raw": 94.6, "before": 94.6, "after": 94.0, "spread": 0.0, "seconds": 0,
    }  # fmt: skip
    assert kept(bench) == {"id": 1, "due": first["due"], "channels": {"laf": {"offset": -0.6}}}
    assert any(record.get("f", {}).get("laeq") == "C" and record["v"]["laeq"] == 94.6 for record in records(bench))
    assert not any("pm10" in record.get("f", {}) for record in records(bench) if record["v"].get("pm10"))

    # Half a year later it reads 0.8 dB more: what was measured since is in doubt, and that must be accepted.
    bench.hold(laf=95.4)
    refused = bench.run("calibrate", "noise", *REFERENCE, *QUICK)
    assert refused.code == 2
    assert "had moved by +0.80 dB, more than 0.5 dB" in refused.err
    assert kept(bench)["id"] == 1
    second = bench.ok("calibrate", "noise", *REFERENCE, *QUICK, "--accept-drift")
    assert (second["drift"], second["after"], second["id"]) == (0.8, {"offset": -1.4}, 2)
    assert "in doubt" in second["remark"]

    shown = here("calibration", "history", "pit-1", "--home", bench.home)
    assert shown.code == 0
    for text in ("Technician 7", "+0.80", "T-77"):
        assert text in shown.out
    told = rows_of(here("calibration", "history", "pit-1", "--channel", "laf", "--json", "--home", bench.home).out)
    assert [entry["id"] for entry in told] == [1, 2]
    assert here("calibration", "history", "pit-1", "--home", bench.home, lang="zh").out.count("时间") == 1


def test_dust_by_a_zero_filter_and_typed_readings_beside_a_reference_that_say_nothing(bench):
    bench.hold(pm1=1, pm25=2, pm10=4, stack_o2=8)
    slow = ("--settle", "3", *QUICK[2:])  # the sensor sets the pace: one report a second
    zero = bench.ok("calibrate", "zero", "--channel", "pm10", *REFERENCE, *slow)
    assert zero["after"] == {"offset": -4.0}
    assert kept(bench)["channels"]["pm10"] == {"offset": -4.0}

    constant = bench.run(
        *("calibrate", "collocation", "--channel", "stack.stack_o2", *REFERENCE, "--averaging", "0.5"),
        stdin="8.0\n8.1\nx\n8.2\n8.3\n8.4\n8.5\n8.6\n8.7\n\n",
    )
    assert constant.code == 2
    assert "'x' is no number" in constant.err
    assert "the board did not change at all" in constant.err
    assert "stack_o2" not in kept(bench)["channels"]


def test_dust_by_a_reference_s_file_beside_the_board_s_own_or_the_hub_s_readings(bench, tmp_path):
    begin = dt.datetime(2026, 11, 26, 8, tzinfo=dt.UTC)
    hours = [begin + dt.timedelta(hours=n) for n in range(10)]
    reference, readings = tmp_path / "bam.csv", tmp_path / "hub.csv"
    reference.write_text(
        "Time,PM10\n" + "".join(f"{hour.isoformat()},{1.2 * (40 + 10 * n) + 5:.1f}\n" for n, hour in enumerate(hours))
    )
    rows = [(hour + dt.timedelta(minutes=m), 40 + 10 * n) for n, hour in enumerate(hours) for m in range(60)]
    readings.write_text("time,pm10\n" + "".join(f"{when.isoformat()},{value}\n" for when, value in rows))
    by_file = ("calibrate", "collocation", "--channel", "pm10", *REFERENCE, "--reference", reference, *QUICK)
    done = bench.ok(*by_file, "--readings", readings)
    assert done["after"] == {"gain": 1.2, "offset": 5.0}
    assert done["fit"] | {"rmse": 0} == {"slope": 1.2, "offset": 5.0, "r2": 1.0, "rmse": 0, "n": 10.0}
    assert len(done["readings"]) == 10

    # The board's own records of today do not overlap with the reference's.
    none = bench.run(*by_file)
    assert none.code == 2
    assert "0 pairs of board and reference" in none.err

    # A reference a second long for each record that the board has kept under this calibration.
    bench.ok("console", "--for", "10")
    own = [record for record in records(bench) if "pm10" in record["v"] and "f" not in record][-9:]
    lines = [f"{dt.datetime.fromtimestamp(r['t'], dt.UTC).isoformat()},{2 * r['v']['pm10'] + 3}\n" for r in own]
    reference.write_text("time,pm10\n" + "".join(lines))
    done = bench.ok(*by_file)
    assert done["before"] == {"gain": 1.2, "offset": 5.0}
    assert done["after"]["gain"] == pytest.approx(2.4, rel=0.1)  # 2 (1.2 raw + 5) + 3
    assert done["fit"]["r2"] > 0.9

    for text, why in (
        ("when,pm10\n1,2\n", "the column 'time'"),
        ("time,a,b\n2026-11-26T08:00,1,2\n", "which column is meant? Name it by --column"),
        ("time,pm10\nyesterday,2\n", "left out: 1 x no time"),
        ("", "the column 'time' is missing"),
    ):
        reference.write_text(text)
        refused = bench.run(*by_file, "--readings", readings)
        assert refused.code == 2
        assert why in refused.err


def test_stack_gas_by_zero_and_span_and_anything_by_several_points(bench):
    process = bench.apart(*_GAS)
    assert process.stdin
    bench.hold(stack_nox=12, stack_co=1, stack_o2=20.9)
    process.stdin.write("\n")
    process.stdin.flush()
    _listen(process, "Let the span gas flow")
    bench.hold(stack_nox=217.2, stack_co=1, stack_o2=0.1)
    out, err = process.communicate("\ny\n", timeout=60)
    assert process.returncode == 0, err
    entry = json.loads(out)
    assert entry["channel"] == "stack_nox"
    assert entry["readings"][1]["true"] == pytest.approx(205.28, abs=0.01)  # 100 ppm as NO2 at 273.15 K
    assert entry["after"] == {"gain": pytest.approx(1.0003, abs=0.001), "offset": pytest.approx(-12.0, abs=0.1)}

    bench.hold(stack_o2=5)
    refused = bench.run(
        *("calibrate", "points", "--channel", "stack_o2", "--at", "5", "--at", "20.9", *REFERENCE, *QUICK)
    )
    assert refused.code == 2
    assert "the sensor does not rise with the reference" in refused.err


_GAS = (
    *("calibrate", "gas", "--channel", "stack_nox", "--span", "100 ppm", "--settle", "1.5", "--json"),
    *("--patience", "30", *REFERENCE),
)


def _listen(process, awaited):
    """Read what a process says until something is said."""
    heard = ""
    while awaited not in heard:
        letter = process.stderr.read(1)
        assert letter, heard
        heard += letter


def test_what_is_not_steady_or_silent_is_no_calibration_and_the_board_measures_on(bench):
    before, entries = kept(bench), len(Ledger(bench.home).entries())
    quick = ("--settle", "2", "--patience", "3", "--yes")
    unsteady = bench.run("calibrate", "noise", *REFERENCE, *quick)  # the site works beside the microphone
    assert unsteady.code == 2
    assert "did not become stable within 3 s" in unsteady.err or "no sensitivity but a fault" in unsteady.err
    bench.hold(laf=None)
    silent = bench.run("calibrate", "noise", *REFERENCE, *quick)
    assert silent.code == 2
    assert "sensor noise gives nothing (nothing for 0.5 s): check its wires" in silent.err
    assert kept(bench) == before
    assert len(Ledger(bench.home).entries()) == entries


def test_ctrl_c_says_in_what_state_the_board_is(bench):
    process = bench.apart("calibrate", "noise", *REFERENCE, "--yes")
    _listen(process, "Put the calibrator")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped. The board's calibration is as it was" in err
    assert "Traceback" not in err
    assert bench.run("console", "--for", "1").code == 0


def test_a_cable_pulled_in_the_middle_leaves_board_and_ledger_as_they_were(bench):
    before, entries = kept(bench), len(Ledger(bench.home).entries())
    bench.hold(laf=94.6)
    bench.plug("--fault", "cable-pull@900")
    done = bench.run("calibrate", "noise", *REFERENCE, *QUICK, "--accept-drift")
    assert done.code == 2
    assert "was lost" in done.err
    bench.plug()
    assert kept(bench) == before
    assert len(Ledger(bench.home).entries()) == entries


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("noise", "--expires", "2026-01-31"), "ended on 2026-01-31: a calibration by it cannot be defended"),
        (("noise", "--level", "90"), "--level 90: sound calibrators have 94 or 114 dB"),
        (("noise", "--certificate", ""), "none may be empty"),
        (("noise", "--due", "2020-01-01"), "--due 2020-01-01: has passed"),
        (("gas",), "--span is missing"),
        (("points", "--at", "3"), "give --at two times or more"),
        (("colour",), "invalid value"),
    ],
)
def test_what_cannot_lead_to_a_calibration_is_told_before_the_board_is_touched(arguments, why):
    done = here("calibrate", arguments[0], *REFERENCE, *arguments[1:], "--port", "/dev/none")
    assert done.code == 2
    assert why in done.err.lower() or why in done.err


def test_a_ledger_that_was_tampered_with_is_found_before_the_work(tmp_path):
    (tmp_path / "calibrations.jsonl").write_text('{"board": "pit-1"}\n')
    done = here("calibrate", "noise", *REFERENCE, "--home", tmp_path, "--port", "/dev/none")
    assert done.code == 2
    assert "line 1: damaged" in done.err
