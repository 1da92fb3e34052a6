"""Sends the hub random and mutated messages and accounts for every one: `make fuzz`; JSON comes last.

    make fuzz ARGS="--messages 1000000 --json"
    make fuzz ARGS="--messages 20000 --seed 7"

A real Mosquitto, `fenceline run` as it is deployed, and messages of every sort: good ones, good ones again, bits
flipped, ends cut off or grown, members changed, removed, doubled and nested (with a good MAC again, so that what is
behind the MAC is reached), what a board may sign when it is broken (`inf`, torn or random bytes, nested without end,
huge numbers, wrong types: anything that names a stream and a number), other boards' keys and topics, other kinds,
strange names, deep nesting, bytes that are no UTF-8, nothing at all, a megabyte of something. All with QoS 1, as boards
send, so the broker loses none.

- `sent` = `accepted` + `duplicate` + `quarantined` + `missing`, by the counters in log.db; `missing` must be 0.
- `good_missing`: good messages that do not stand in the log word for word and once; must be 0.
- `authentic`: broken boards' own messages; `authentic_missing`: those of them that are neither in the log nor kept in
  quarantine as authentic; must be 0. `unacknowledged`: their streams of which a board was not told in the end that it
  is rid of all; must be 0.
- `by_reason`: quarantined messages by reason. `tracebacks`: in what the hub said.
- `rss_mb_begin`, `rss_mb_end`: the hub's memory, mean of the second and of the last quarter of the run.

Ends with 1 if the account does not add up, the hub ended or met a mistake of its own (a traceback, reason `internal`),
or its memory grew by more than 15 % and 10 MB. The series store must take all that was accepted, too: no message may
stop a consumer of the log.
"""

import argparse
import contextlib
import json
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from paho.mqtt.client import CallbackAPIVersion, Client

from hub.wire.seal import authentic
from sim.city.account import read_only
from tests.bench.load import Fleet, Publisher, publish_packet
from tests.bench.parts import Broker, HubProcess, wait_for
from tests.fuzz.messages import Fuzzer, digest

BOARDS = 50
BATCH = 100  # messages sent together
AHEAD = 20_000  # messages sent that the hub has not accounted for yet
SAMPLE_EVERY_S = 0.5
QUARANTINED = 5000  # foreign messages that stay in quarantine; the counters count on
GROWTH, GROWTH_MB = 1.15, 10


def counts(hub):
    """Return the messages the hub has accounted for, by reason."""
    with read_only(hub.data / "log.db") as db:
        # `again` counts those of the duplicates a second time that came although they were acknowledged.
        return dict(db.execute("SELECT reason, sum(messages) FROM count WHERE reason != 'again' GROUP BY reason"))


def missing_good(hub, good):
    """Return how many good messages do not stand in the log exactly once."""
    left = Counter(good)
    with read_only(hub.data / "log.db") as db:
        for topic, payload in db.execute("SELECT topic, payload FROM message"):
            if (known := digest(topic, payload)) in good:
                left[known] -= 1
    return sum(abs(times) for times in left.values())


def missing_own(hub, own):
    """Return how many authentic messages are neither in the log nor in quarantine as authentic."""
    left = set(own)
    with read_only(hub.data / "log.db") as db:
        for table in ("message", "quarantine WHERE authentic = 1"):
            for topic, payload in db.execute(f"SELECT topic, payload FROM {table}"):
                left.discard(digest(topic, payload))
    return len(left)


class Told:
    """What boards are told on their topics `ack`, by (device, stream)."""

    def __init__(self, port, keys):
        self._keys, self.last = keys, {}
        self._client = Client(CallbackAPIVersion.VERSION2)
        self._client.on_connect = lambda client, *_: client.subscribe("fenceline/1/+/+/+/ack")
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()

    def _hear(self, _client, _data, message):
        device = message.topic.split("/")[4]
        if authentic(message.payload, self._keys[device]):
            said = json.loads(message.payload)
            key = device, said["stream"]
            self.last[key] = max(said["seq"], self.last.get(key, 0))

    def lack(self, named):
        """Return how many of these streams were not acknowledged up to their last record."""
        return sum(self.last.get(key, 0) != last for key, last in named.items())

    def stop(self):
        self._client.disconnect()
        self._client.loop_stop()


def fuzz(folder, count, seed, say=lambda _text: None):
    """Send so many messages; return the account and all that the hub said."""
    fleet = Fleet(BOARDS)
    fuzzer = Fuzzer(fleet, seed)
    begin = time.monotonic()
    with Broker(folder / "broker") as broker:
        config = fleet.write(folder, broker.port, f"[keep]\nquarantined = {QUARANTINED}\n")
        with HubProcess(broker, folder, config) as hub:
            told = Told(broker.port, fleet.keys)
            # What a process needs to begin is no growth.
            made = [hub.data / name for name in ("series.db", "rollups.db", "compliance.db")]
            wait_for(lambda: all(path.exists() for path in made) or hub.ended(), "the consumers have begun", 60)
            samples = send(hub, Publisher(broker.port), fuzzer, count, say)
            wait_for(lambda: sum(counts(hub).values()) >= count or hub.ended(), "the hub accounts for all", 60)
            reasons = Counter(counts(hub))
            hub.wait_for_store(hub.committed())
            ended = hub.ended()
            lost, own_lost = missing_good(hub, fuzzer.good), missing_own(hub, fuzzer.own)
            with contextlib.suppress(SystemExit):  # the account below says it
                wait_for(lambda: not told.lack(fuzzer.named), "all is acknowledged", 30, 0.2)
            told.stop()
        words = hub.log.read_text("utf-8", errors="replace")
    accepted = reasons.pop("accepted", 0) + reasons.pop("other_content", 0)
    duplicate = reasons.pop("duplicate", 0)
    quarter = max(1, len(samples) // 4)
    return {
        "sent": count,
        "accepted": accepted,
        "duplicate": duplicate,
        "quarantined": reasons.total(),
        "missing": count - accepted - duplicate - reasons.total(),
        "good_missing": lost,
        "authentic": len(fuzzer.own),
        "authentic_missing": own_lost,
        "unacknowledged": told.lack(fuzzer.named),
        "by_reason": dict(reasons.most_common()),
        "hub_ended": ended,
        "tracebacks": words.count("Traceback"),
        "rss_mb_begin": round(statistics.mean(samples[quarter : 2 * quarter] or samples), 1),
        "rss_mb_end": round(statistics.mean(samples[-quarter:]), 1),
        "seconds": round(time.monotonic() - begin, 1),
        "seed": seed,
    }, words


def send(hub, publisher, fuzzer, count, say):
    """Send the messages, never far ahead of the hub; return samples of its memory, MB."""
    samples, due = [sum(hub.rss_mb())], time.monotonic()
    for first in range(0, count, BATCH):
        numbers = range(first, min(count, first + BATCH))
        made = [(number, *fuzzer.message(number)) for number in numbers]
        publisher.send([publish_packet(topic.encode(), payload, number) for number, topic, payload in made])
        if time.monotonic() < due:
            continue
        wait_for(lambda: hub.ended() or publisher.sent - sum(counts(hub).values()) < AHEAD, "the hub follows", 120)
        if hub.ended():
            break
        samples.append(sum(hub.rss_mb()))
        due = time.monotonic() + SAMPLE_EVERY_S
        say(f"{publisher.sent:,} sent, {samples[-1]:.0f} MB")
    publisher.finish()
    return samples


def faults(figures):
    """Return what is wrong with an account, in words."""
    wrong = [name for name in ("missing", "good_missing", "hub_ended", "tracebacks") if figures[name]]
    wrong += [name for name in ("authentic_missing", "unacknowledged") if figures.get(name)]
    if "internal" in figures["by_reason"]:
        wrong.append("internal")
    if figures["rss_mb_end"] > figures["rss_mb_begin"] * GROWTH + GROWTH_MB:
        wrong.append("memory grew")
    return wrong


def main():
    """Fuzz, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__.split("\n", 1)[0])
    parser.add_argument("--messages", type=int, default=100_000, help="(%(default)s)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of what is sent")
    parser.add_argument("--json", action="store_true", help="nothing but the last line")
    options = parser.parse_args()
    say = (lambda _text: None) if options.json else lambda text: print(text, file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        figures, words = fuzz(Path(folder), options.messages, options.seed, say)
    wrong = faults(figures)
    if wrong:
        print(f"{words[-4000:]}\nWrong: {', '.join(wrong)}", file=sys.stderr)
    print(json.dumps(figures))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
