"""Takes from a damaged log what can still be read and the backup does not have, as if the boards had sent it again.

Each message is judged anew, by its MAC first: bytes that flipped in it are found, and nothing is counted twice. It is
done before the hub starts, since the boards' next messages would make gaps of what is missing.
"""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import msgspec

from hub.config.files import Config
from hub.intake.admission import Admission
from hub.log.damaged import still_readable
from hub.log.log import Log
from hub.log.outcomes import Admitted, Refused
from hub.registry.live import LiveRegistry
from hub.storage.data_folder import LOG
from schemas import load_quantities

AT_ONCE = 256
"""Messages in one transaction."""


@dataclass(slots=True)
class Salvaged:
    """What came of it."""

    messages: int = 0
    """Taken into the log that was put back."""
    unreadable: int = 0
    """Offsets of the damaged log behind the backup's end at which nothing could be read."""
    altered: int = 0
    """Messages that could be read and whose MAC is wrong, or that are refused for another reason: left out."""


def salvage(config: Config, aside: Path) -> Salvaged:
    """Go through the logs that a restore has moved to `aside`; the restored ones are in the data folder.

    Raises:
        ConfigError: the registry or its keys cannot be used.
        DatabaseError: a restored log cannot be opened.
        sqlite3.Error: one cannot be written.
    """
    total = Salvaged()
    registry = LiveRegistry(config).current
    # What is put back was said under the keys of its time.
    registry = msgspec.structs.replace(registry, others={id_: registry.keys_of(id_) for id_ in registry.boards})
    for damaged in sorted(aside.rglob(LOG)):
        with closing(Log(config.data / damaged.relative_to(aside))) as log:
            now = 0.0
            admission = Admission(registry, load_quantities(), lambda: now)  # noqa: B023 - of this log
            group: list[Admitted | Refused] = []
            for row in still_readable(damaged, log.end()):
                if row is None:
                    total.unreadable += 1
                    continue
                received, topic, payload = row
                if group and (received != now or len(group) >= AT_ONCE):
                    total.messages += _commit(log, group, now)
                    group = []
                now = received
                outcome = admission.judge(topic, payload)
                if isinstance(outcome, Admitted):
                    group.append(outcome)
                else:
                    total.altered += 1
            if group:
                total.messages += _commit(log, group, now)
    return total


def _commit(log: Log, group: list[Admitted | Refused], now: float) -> int:
    counted = log.commit(group, now).messages
    return counted.get("accepted", 0) + counted.get("other_content", 0)
