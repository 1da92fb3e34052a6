"""What the board's code costs: `make bench-edge` measures it on a real MicroPython and ends with JSON.

- `heap_agent`, `heap_peak`, `heap_left`, `heap_largest`: bytes of a heap of 112k, as an ESP32 has, with an agent for
  four sensors from a compiled bundle, while it holds a full sealed batch (agent_heap.py).
- `acoustics_us_per_sample`, `sum_of_squares_us_per_sample`, `acoustics_ratio`: the sound level meter against a viper
  loop that only sums squares (acoustics.py).
- `c_ratio`, `octave_ratio`, `c_heap`, `octave_heap`, `c_samples_heap_10`, `c_samples_heap_60`: what LCeq with LCpeak,
  and octave bands, would cost beside the sound level meter, in multiples of its time and in bytes (bands.py). No board
  has them.
- `driver_us`: microseconds from a frame's bytes to the reading (drivers.py).
- `outbox_records_per_s`: appends, each flushed: `host` on this machine's disk, `littlefs_in_ram` (outbox_speed.py).
- `wear`: what the outbox does to the flash (outbox_wear.py).
- `mpy_bytes`: the whole agent compiled, for each architecture of boards.
- `python`, `bits`: the interpreter.

Microseconds are this machine's: only set against each other do they tell something about a chip. Heap and acoustics
need a MicroPython of 32 bits, and all but `mpy_bytes` needs one: what cannot be measured is left out, and said.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from firmware.software.bundle import Arch, build
from sim.interpreter import find_micropython, interpreter_name

ROOT = Path(__file__).resolve().parent.parent.parent
HEAP = "112k"
AMPLE = "8m"  # the flash of 2 MB lies in it
TIMEOUT_S = 240
FAST_S = 1.5  # for a trial of the wear with every 64th record; a slower machine then makes every fourth
SLOW_STEP = 4
BANDS = ("c_ratio", "octave_ratio", "c_heap", "octave_heap", "c_samples_heap_10", "c_samples_heap_60")


def run(micropython, script, *arguments, heap=AMPLE, code=ROOT):
    """Run a script of this folder on MicroPython and return the figures it prints."""
    print(f"{script} ...", file=sys.stderr, flush=True)
    done = subprocess.run(
        [micropython, "-X", f"heapsize={heap}", "-m", f"tests.bench.{script}", *map(str, arguments)],
        cwd=code,
        env={**os.environ, "MICROPYPATH": f"{code}:{ROOT}:.frozen"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{script} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def sizes(folder):
    """Return the bytes of the compiled agent for each architecture of boards."""
    return {
        str(arch): sum(file["size"] for file in build(ROOT / "edge", folder / arch, arch)["files"].values())
        for arch in (Arch.XTENSAWIN, Arch.RV32IMC)
    }


def heap(micropython, folder):
    """Return what the agent needs of a board's heap."""
    code = folder / "bundle"
    build(ROOT / "edge", code, Arch.X86)
    for name in ("__main__.py", "board_host.py"):
        shutil.copy(ROOT / "edge" / name, code / "edge" / name)
    (folder / "heap").mkdir()
    return run(micropython, "agent_heap", folder / "heap", heap=HEAP, code=code)


def acoustics(micropython):
    """Return microseconds for each sample."""
    found = run(micropython, "acoustics")
    return {
        "acoustics_us_per_sample": round(found["meter_us"], 5),
        "sum_of_squares_us_per_sample": round(found["bare_us"], 5),
        "acoustics_ratio": round(found["ratio"], 2),
    }


def bands(micropython):
    """Return what more the sound level meter could do, and its price."""
    found = run(micropython, "bands")
    return {key: round(found[key], 2) for key in BANDS}


def speed(micropython, folder):
    """Return the outbox's records a second."""
    (folder / "speed").mkdir()
    return run(micropython, "outbox_speed", folder / "speed")


def wear(micropython):
    """Return what the outbox does to the flash, in larger steps where a machine is slow."""
    start = time.monotonic()
    run(micropython, "outbox_wear", 64)
    step = 1 if time.monotonic() - start < FAST_S else SLOW_STEP
    if step > 1:
        print(f"this machine is slow: the wear is that of every {step}th record, multiplied")
    return run(micropython, "outbox_wear", step)


def measure(folder):
    """Return every figure that can be had here."""
    figures = {"mpy_bytes": sizes(folder)}
    micropython = find_micropython()
    if micropython is None:
        print("left out: all but mpy_bytes; there is no MicroPython here, `make test` fetches one")
        return figures
    name = interpreter_name(micropython)
    figures["python"] = name
    figures["bits"] = 32 if "32-bit" in name else 64
    if figures["bits"] == 32:
        figures |= heap(micropython, folder) | acoustics(micropython) | bands(micropython)
    else:
        print(f"left out: heap and acoustics; {name} has words twice as long as a board's")
    figures["driver_us"] = run(micropython, "drivers")
    figures["outbox_records_per_s"] = speed(micropython, folder)
    figures["wear"] = wear(micropython)
    return figures


def told(figures):
    """Return the figures as lines for a person."""
    lines = [f"interpreter: {figures.get('python', 'none')}"]
    if "heap_peak" in figures:
        lines.append(
            f"heap of {HEAP}: {figures['heap_agent']:,} bytes with the agent, {figures['heap_peak']:,} with a batch of"
            f" {figures['batch_records']} records; {figures['heap_left']:,} left, in one piece"
            f" {figures['heap_largest']:,}"
        )
        lines.append(
            f"sound level meter: {figures['acoustics_us_per_sample']} us for each sample,"
            f" {figures['acoustics_ratio']} times a sum of squares"
        )
        lines.append(
            f"not there, beside the meter's time and heap: LCeq and LCpeak, {figures['c_ratio']} times and"
            f" {figures['c_heap']:,} bytes and {figures['c_samples_heap_60']:,} of samples in 60 s;"
            f" octave bands, {figures['octave_ratio']} times and"
            f" {figures['octave_heap']:,} bytes"
        )
    if "driver_us" in figures:
        lines.append("from bytes to the reading: " + ", ".join(f"{k} {v} us" for k, v in figures["driver_us"].items()))
        lines.append("outbox, records/s: " + ", ".join(f"{k} {v}" for k, v in figures["outbox_records_per_s"].items()))
        lines += told_of_wear(figures["wear"])
    lines.append("compiled agent: " + ", ".join(f"{k} {v:,} bytes" for k, v in figures["mpy_bytes"].items()))
    return lines


def told_of_wear(found):
    """Return what the outbox does to the flash, as lines for a person."""
    fits = f"{found['fits_records']:,} records of {found['line_bytes']} bytes, {found['fits_hours']} h at 10 s"
    lines = [f"outbox of 1.5 MB: {fits}"]
    for name in ("acknowledged", "away"):
        wear = found[name]
        lines.append(
            f"flash, {name}: {wear['bytes_programmed'] / 1e6:.1f} MB programmed and {wear['blocks_erased']:,} blocks"
            f" erased a day; 100,000 erasures after {wear['years_even']} years evenly, {wear['years_worst']} years for"
            f" the most-worn block; {wear['flash_used']:,} bytes in use"
        )
    return lines


def main():
    """Measure, tell, and print one line of JSON."""
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(Path(folder))
    print("\n".join(told(figures)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
