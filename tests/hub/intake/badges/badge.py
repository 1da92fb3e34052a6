"""A badge as tests play it, and a hub that it sends to."""

import datetime as dt
import sqlite3
from contextlib import closing

import msgspec

from hub.storage.compliance_file import COMPLIANCE, open_compliance
from hub.things.entries import Thing
from hub.things.store import ThingStore
from hub.things.tables import PART as THINGS
from hub.wire.badge.frame import Splitter
from tests.hub.helpers import query
from tests.hub.intake.frame_hub import FrameHub, Line

NUMBER = "88090088%02d"


def registry(*ids):
    """Return badges of the registry, by the numbers of their ids."""
    return "".join(f'\n[[badge]]\nid = "badge-{n}"\nsite = "tower"\nnumber = "{NUMBER % n}"\n' for n in ids)


def said(command, t, lat=23.0288, lon=113.1427, status=0, valid="A", steps=100):
    """Return what a badge says of a time (Unix s)."""
    when = dt.datetime.fromtimestamp(t, dt.UTC)
    where = f"{valid},{lat:.6f},N,{lon:.6f},E"
    return f"{command},{when:%d%m%y},{when:%H%M%S},{where},1.5,90.0,12.0,8,100,64,{steps},0,{status:08X},0,0"


class BadgeHub(FrameHub):
    """A real hub in this process with badges."""

    section = "badges"

    def know(self, kind, id_, properties, since=None, until=None):
        """Enter a thing, as people do."""
        with closing(open_compliance(self.folder / "data" / COMPLIANCE, THINGS)) as db:
            fields = {"kind": kind, "id": id_, "en": id_, "zh": id_, "properties": properties}
            fields |= {"from": since, "until": until}
            ThingStore(db).add(msgspec.convert(fields, Thing), 0.0, "tester", "test")

    def fixes(self, device):
        """Return what the log has of a badge's positions, the oldest first."""
        return sorted((one for entry in self.entries(device, "fix") for one in entry.said.moments), key=lambda m: m.t)

    def alerts(self):
        try:
            return query(self.folder / "data" / COMPLIANCE, "SELECT * FROM alert WHERE kind = 'sos' ORDER BY id")
        except sqlite3.OperationalError:
            return []  # the consumers have not begun yet


class Watch(Line):
    """One connection of a badge."""

    def __init__(self, port, n):
        super().__init__(port, Splitter())
        self.number = NUMBER % n

    def send(self, content):
        """Send a frame; return it."""
        frame = f"[3G*{self.number}*{len(content):04X}*{content}]".encode()
        self.socket.sendall(frame)
        return frame

    def beat(self):
        """Send a heartbeat and hear the answer: what was sent before it is committed then."""
        self.send("LK,50,100,100")
        assert self.next_frame(60) == f"[3G*{self.number}*0002*LK]".encode()
