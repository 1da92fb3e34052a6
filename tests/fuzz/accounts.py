"""What fuzzing has in common: comparing what was sent with the log, the command line."""

import argparse
import json
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

BATCH = 200


def settle(log, found, good, word):
    """Compare what was sent with what the log has; `good`: what must be there once, `word(entry)`: an entry's bytes."""
    counts = Counter()
    for (_, reason), n in log.counts().items():
        counts[reason] += n
    account = {"kept": counts.pop("accepted", 0) + counts.pop("other_content", 0)}
    account["repeated"] = counts.pop("duplicate", 0)
    account["quarantined"] = counts.total()
    account["missing"] = found["units"] - sum(account.values())
    there, offset, tracebacks = Counter(), 0, found["tracebacks"]
    while entries := log.read(offset, 2000):
        offset = entries[-1].offset
        for entry in entries:
            try:
                _ = entry.said, entry.intervals, entry.channel.identity(entry.payload)
                there[word(entry)] += 1
            except Exception:  # noqa: BLE001 - whatever it is, it is counted
                tracebacks += 1
                traceback.print_exc()
    account |= {"good": len(good), "good_missing": sum(there[one] != 1 for one in good), "tracebacks": tracebacks}
    return account | {"by_reason": dict(counts)}


def command(doc, run, bad):
    """Read the command line, run, tell the figures; end with 1 if one of those that are `bad` is not 0."""
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="the figures alone, as one line")
    given = parser.parse_args()
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = run(Path(folder), given.frames, given.seed) | {"seconds": round(time.monotonic() - begin, 1)}
    print(json.dumps(found, indent=None if given.json else 2))
    sys.exit(any(found.get(name) for name in bad))
