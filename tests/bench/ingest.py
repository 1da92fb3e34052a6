"""How fast the hub takes messages, against an MQTT client that only acknowledges: `make bench-ingest`; JSON comes last.

    make bench-ingest
    make bench-ingest ARGS="--boards 1000,10000,100000 --messages 100000 --rounds 1"
    make bench-ingest ARGS="--clients"      # other maintained MQTT clients, from a temporary environment (uv)

Method. The receiver connects, subscribes and is then held (SIGSTOP) while a publisher fills the broker with messages of
11 values, made and sealed beforehand; publisher and broker are idle again before the clock starts. The clock runs from
the receiver's release (SIGCONT) to its last message: for the bare loop when it has acknowledged it, for the hub when
another process can read it from log.db, which is after the commit. So neither pays for its start, and no publisher
takes processor time from either. The hub has heard each board once before. Rounds alternate between the two, and the
figures are medians, because machines are noisy. The broker has the window of deploy/mosquitto.

- `bare_msgs_per_s`, `hub_msgs_per_s`, `ratio`: as described; the hub feeds its store and its compliance meanwhile.
- `store_msgs_per_s`: the same clock up to the moment when the SQLite store has everything.
- `bare_cpu_us_per_msg`, `hub_cpu_us_per_msg`: user and system time of the process and its children; the hub's until its
  consumers have everything. `ingest_cpu_us_per_msg`: the hub's until the last commit.
- `downstream_cpu_us_per_msg`: of the process that consumes the log, until store and compliance have everything.
- `p50_ms`, `p99_ms`: live, at half of the hub's rate: from the moment before a message is written to the publisher's
  socket to the moment when a process that looks every millisecond sees it in log.db.
- `rss_mb`: the most memory the hub had in use, its processes together.
- `boards`: with several sizes, the hub's rate and memory for each, and for each additional board
  `ingest_bytes_per_board` in the process that takes messages and `bytes_per_board` in all, which includes the judging
  process: its open windows. Every size hears the same number of messages after each board's first.
- `clients`: messages/s and CPU microseconds/message of other clients' bare loops.
"""

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sim.city.account import read_only
from tests.bench import load
from tests.bench.bare import CLIENTS
from tests.bench.parts import ROOT, Broker, HubProcess, Receiver, wait_for

LIVE_S = 10
SETTLE_S = 0.3  # after the broker's last acknowledgement to the publisher


def say(text):
    """Tell a person how it goes; the figures go to standard output."""
    print(text, file=sys.stderr, flush=True)


def packets_of(messages):
    """Return messages as ready packets."""
    return [load.publish_packet(topic.encode(), payload, n) for n, (topic, payload) in enumerate(messages)]


def pile_up(receiver, folder, broker, packets):
    """Fill the broker while the receiver is held; return when it was released (time.monotonic, s)."""
    with receiver.held():
        if load.start(folder, broker.port, packets).wait():
            sys.exit("the publisher failed; its error stands above")
        time.sleep(SETTLE_S)
    return time.monotonic()


def bare(packets, client="paho", python=sys.executable):
    """Return messages/s and CPU microseconds/message of an MQTT client that only acknowledges."""
    with tempfile.TemporaryDirectory() as folder, Broker(Path(folder) / "broker") as broker:
        command = [python, ROOT / "tests/bench/bare.py", client, str(broker.port), str(len(packets))]
        with Receiver(broker, Path(folder), command) as receiver:
            cpu = receiver.cpu_s()
            begin = pile_up(receiver, Path(folder), broker, packets)
            end = receiver.wait(len(packets))
            cpu = receiver.cpu_s() - cpu
    return {"msgs_per_s": len(packets) / (end - begin), "cpu_us_per_msg": cpu / len(packets) * 1e6}


def hub(fleet, packets):
    """Return the same of the hub, and what its store and its memory did; `packets` begin with one of each board."""
    known = len(fleet.keys)
    count = len(packets) - known
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        with HubProcess(broker, folder, fleet.write(folder, broker.port)) as receiver:
            pile_up(receiver, folder, broker, packets[:known])
            receiver.wait_for_consumers(known)
            cpu, downstream = receiver.cpu_s(), receiver.downstream_cpu_s()
            begin = pile_up(receiver, folder, broker, packets[known:])
            committed = receiver.wait(known + count)
            ingest_cpu = receiver.cpu_s() - cpu
            stored = receiver.wait_for_store(known + count)
            receiver.wait_for_consumers(known + count)
            if receiver.committed() != known + count:
                sys.exit(f"the hub accepted {receiver.committed()} of {known + count}\n{receiver.log.read_text()}")
            return {
                "msgs_per_s": count / (committed - begin),
                "store_msgs_per_s": count / (stored - begin),
                "cpu_us_per_msg": (receiver.cpu_s() - cpu) / count * 1e6,
                "ingest_cpu_us_per_msg": ingest_cpu / count * 1e6,
                "downstream_cpu_us_per_msg": (receiver.downstream_cpu_s() - downstream) / count * 1e6,
                "rss_mb": receiver.peak_rss_mb(),
                "ingest_rss_mb": receiver.rss_mb()[0],
                "rss_now_mb": sum(receiver.rss_mb()),
            }


def latency(fleet, messages, rate):
    """Return the median and the 99th percentile from publishing to the commit, ms, at `rate` messages a second."""
    packets = packets_of(messages)
    seen = []  # (Unix s, highest offset that can be read)
    with tempfile.TemporaryDirectory() as name, Broker(Path(name) / "broker") as broker:
        folder = Path(name)
        with HubProcess(broker, folder, fleet.write(folder, broker.port)) as receiver:
            wait_for((receiver.data / "log.db").exists, "the hub's log")
            publisher = load.start(folder, broker.port, packets, rate)
            last = 0
            with read_only(receiver.data / "log.db") as log:
                while last < len(packets) and not receiver.ended() and not publisher.poll():
                    found = log.execute("SELECT max(offset) FROM message").fetchone()[0] or 0
                    if found > last:
                        seen.append((time.time(), found))
                        last = found
                    time.sleep(0.001)
                if publisher.wait() or last < len(packets):
                    sys.exit(f"the live run failed\n{receiver.log.read_text()}")
                payloads = [row[0] for row in log.execute("SELECT payload FROM message ORDER BY offset")]
        written = pickle.loads((folder / "written").read_bytes())
    written_of = dict(zip((payload for _, payload in messages), written, strict=True))
    waits, offset = [], 0
    for moment, highest in seen:
        waits += [moment - written_of[payload] for payload in payloads[offset:highest]]
        offset = highest
    cuts = statistics.quantiles(waits, n=100)
    return {"p50_ms": round(cuts[49] * 1000, 1), "p99_ms": round(cuts[98] * 1000, 1), "live_msgs_per_s": round(rate)}


def median(rounds, key):
    """Return the median of a figure over the rounds."""
    return statistics.median(found[key] for found in rounds)


def compare(boards, count, rounds):
    """Return the figures of bare loop and hub with so many boards."""
    fleet = load.Fleet(boards)
    messages = fleet.messages(boards + count)
    packets = packets_of(messages)
    found = {"bare": [], "hub": []}
    for n in range(rounds):
        for kind, measure in (("bare", lambda: bare(packets[boards:])), ("hub", lambda: hub(fleet, packets))):
            found[kind].append(measure())
            say(f"round {n + 1}, {boards} boards, {kind}: {found[kind][-1]['msgs_per_s']:,.0f} messages/s")
    loop, whole = found["bare"], found["hub"]
    rate = median(whole, "msgs_per_s")
    live = latency(fleet, messages[: int(rate / 2 * LIVE_S)], rate / 2)
    return {
        "bare_msgs_per_s": round(median(loop, "msgs_per_s")),
        "hub_msgs_per_s": round(rate),
        "ratio": round(rate / median(loop, "msgs_per_s"), 3),
        "bare_cpu_us_per_msg": round(median(loop, "cpu_us_per_msg"), 1),
        "hub_cpu_us_per_msg": round(median(whole, "cpu_us_per_msg"), 1),
        "ingest_cpu_us_per_msg": round(median(whole, "ingest_cpu_us_per_msg"), 1),
        "downstream_cpu_us_per_msg": round(median(whole, "downstream_cpu_us_per_msg"), 1),
        "store_msgs_per_s": round(median(whole, "store_msgs_per_s")),
        **live,
        "rss_mb": round(max(one["rss_mb"] for one in whole), 1),
    }


def sizes(boards, count, rounds):
    """Return the hub's rate and memory with each number of boards."""
    count = max(count, *boards)
    found, before = [], None
    runs = {number: [] for number in boards}
    for n in range(rounds):
        for number in boards:
            fleet = load.Fleet(number)
            runs[number].append(hub(fleet, packets_of(fleet.messages(number + count))))
            say(f"round {n + 1}, {number} boards: {runs[number][-1]['msgs_per_s']:,.0f} messages/s")
    for number, rounds_ in runs.items():
        rss, ingest = median(rounds_, "rss_now_mb"), median(rounds_, "ingest_rss_mb")
        figures = {
            "boards": number,
            "hub_msgs_per_s": round(median(rounds_, "msgs_per_s")),
            "store_msgs_per_s": round(median(rounds_, "store_msgs_per_s")),
            "rss_mb": round(rss, 1),
            "ingest_rss_mb": round(ingest, 1),
        }
        if before:
            more = number - before[0]
            figures["bytes_per_board"] = round((rss - before[1]) * 1e6 / more)
            figures["ingest_bytes_per_board"] = round((ingest - before[2]) * 1e6 / more)
        before = number, rss, ingest
        found.append(figures)
    return found


def clients(packets):
    """Return the bare loops of other clients, each from a temporary environment."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        uv = Path(sys.executable).parent / "uv"
        python = Path(folder) / "bin" / "python"
        subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, folder], check=True)
        subprocess.run([uv, "pip", "install", "--quiet", "--python", python, *CLIENTS.values()], check=True)
        for name in CLIENTS:
            one = bare(packets, name, python)
            say(f"{name}: {one['msgs_per_s']:,.0f} messages/s")
            found[name] = {"msgs_per_s": round(one["msgs_per_s"]), "cpu_us_per_msg": round(one["cpu_us_per_msg"], 1)}
    return found


def main():
    """Measure and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="make bench-ingest", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--boards", default="1000", help="number of boards, or several with commas (%(default)s)")
    parser.add_argument("--messages", type=int, default=60_000, help="in each run (%(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken (%(default)s)")
    parser.add_argument("--clients", action="store_true", help="measure other MQTT clients' bare loops, too")
    parser.add_argument("--json", action="store_true", help="nothing but the last line")
    options = parser.parse_args()
    numbers = sorted({int(part) for part in options.boards.split(",")})
    figures = compare(numbers[0], max(options.messages, numbers[0]), options.rounds)
    if len(numbers) > 1:
        figures["boards"] = sizes(numbers, options.messages, options.rounds)
    if options.clients:
        figures["clients"] = clients(packets_of(load.Fleet(numbers[0]).messages(options.messages)))
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
