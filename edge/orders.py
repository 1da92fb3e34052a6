"""What the hub may order: commands, each answered, and the desired configuration, applied whole or refused with why."""

import json

from edge import files, journal
from edge.borrow import borrow

MOST_DETAIL = 3600  # bytes of what an event says: the broker throws a board out that sends a packet above 4096


def _whole(command, key, usual, most):
    """Return the whole number from 1 to `most` that a command gives; raise ValueError when it is none."""
    value = command.get(key, usual)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise ValueError("%s: expected 1 to %d" % (key, most))
    return value


def _size(detail):
    return len(json.dumps(detail).encode())


def calibrate(calibration, notes, command):
    """Put the command's `calibration` in force and note who did it and by what; raises ValueError if it is refused."""
    for key in ("calibration", "who", "reference"):
        if not command.get(key):
            raise ValueError("%s: missing; a calibration nobody can trace is refused" % key)
    before = {"id": calibration.id, "channels": calibration.channels}
    detail = {"before": before, "after": command["calibration"]}
    detail.update({"who": command["who"], "reference": command["reference"]})
    if _size(detail) > MOST_DETAIL:
        del before["channels"]  # its own event has told them
    if _size(detail) > MOST_DETAIL:
        raise ValueError("calibration: expected at most %d bytes; give fewer points" % MOST_DETAIL)
    calibration.replace(command["calibration"])
    notes.add("calibration", detail)
    return "calibration %d in force" % calibration.id


class Orders:
    """Carries them out on a board's parts.

    `status()` publishes one; the file `path` keeps the desired configuration, `rising()` gives the board's Rising.
    `brokers`: the list of those that are tried, which is filled here; its last is that of the board's own file.
    `fitted`, `own`: marks (see outfit) of the sensors in use and of those in the board's own file; `sensors`: the
    settings of the latter, given at the board's start alone.

    `restart`: the board has to start again, for other sensors.
    """

    def __init__(
        self,
        board,
        recorder,
        relay_,
        calibration,
        notes,
        status,
        path,
        rising,
        outbox,
        brokers,
        fitted=None,
        own=None,
        sensors=None,
    ):
        self._board = board
        self._recorder = recorder
        self._relay = relay_
        self._calibration = calibration
        self.notes = notes
        self._status = status
        self._path = path
        self._rising = rising
        self._outbox = outbox
        self._brokers = brokers
        self._fitted = fitted
        # For what a configuration does not name.
        self._own = {
            "interval": recorder.interval,
            "period": recorder.period_ms / 1000,
            "relay": relay_.rule,
            "raw": recorder.raw,
            "outbox": {"max_bytes": outbox.max_bytes},
            "brokers": [brokers[-1]],
            "sensors": own,
        }
        self.restart = False
        self._usual = recorder.interval
        self._lives = 0  # orders to show records of 1 s that are not over
        self._refused = None
        self.revision = 0
        try:
            text = files.read(path)
            desired = json.loads(text) if text is not None else None
            if desired is not None and not borrow("checks").desired(desired):
                self._use(self._without_own(desired, sensors))
        except ValueError:
            pass  # none yet, or torn: the hub's retained one comes with the next connection

    def configure(self, desired):
        """Apply a desired configuration, or none of it; what came of it is told as an event.

        Return whether the board has to connect anew, or to start again (`restart`).
        """
        from edge.rising import limit

        rising = self._rising()
        wrong = borrow("checks").desired(desired)
        if not wrong:
            revision, most = desired["revision"], limit(max(self.revision, rising.revision))
            # One as high as the highest mends a file that was torn or put back.
            if revision <= self.revision or revision < rising.revision:
                return False  # in force, or an older one played back
            if revision > most:
                wrong = "revision: %d; expected at most %d" % (revision, most)
        wanted = self._own["sensors"]
        if not wrong and "sensors" in desired:
            outfit = borrow("outfit")
            wanted = outfit.mark(desired["sensors"])
            if wanted != self._fitted:
                wrong = outfit.wrong(desired["sensors"])
        if not wrong:
            try:
                files.replace(self._path, json.dumps(desired))
            except OSError as error:
                wrong = "not kept: %s" % error
        if wrong:
            if (desired.get("revision"), wrong) == self._refused:
                return False  # told: the broker gives it again with each connection
            self._refused = (desired.get("revision"), wrong)
            self.notes.add("config", {"revision": desired.get("revision"), "problem": wrong})
            return False
        brokers = list(self._brokers)
        self._keep_own(desired)
        self._use(desired)
        rising.reached(self.revision)
        self.restart = wanted != self._fitted
        self.notes.add("config", {"revision": self.revision})
        return self.restart or self._brokers != brokers

    async def obey(self, command):
        """Carry out a command; return what the reply says about it. Raises ValueError with why it is refused."""
        what = command.get("do")
        if what == "ping":
            await self._status()
            return "pong"
        if what == "selftest":
            self._recorder.state.clear()
            await self._board.sleep_ms(max(5000, self._recorder.period_ms + 2000))
            state = self._recorder.state
            return ", ".join(["%s %s" % (name, state.get(name, "B")) for name in sorted(self._recorder.sensors)])
        if what == "live":
            minutes = _whole(command, "minutes", 5, 1440)
            self._lives += 1
            self._recorder.interval = 1
            await self._board.sleep_ms(minutes * 60000)
            self._lives -= 1
            if not self._lives:
                self._recorder.interval = self._usual
            return "%d minutes of records of 1 s" % minutes
        if what == "relay":
            if not isinstance(command.get("on"), bool):
                raise ValueError("on: expected true or false")
            self._relay.order(command["on"], _whole(command, "minutes", 10, 1440) * 60)
            return "relay %s" % ("on" if self._relay.on else "off")
        if what == "flag":
            return self._flag(command)
        if what == "log":
            return "\n".join(journal.tail(_whole(command, "lines", 20, journal.MOST)))[-1000:]
        if what == "calibrate":
            return calibrate(self._calibration, self.notes, command)
        return await self._errand(what, command)

    async def _errand(self, what, command):
        if what not in ("identify", "time", "diagnose"):
            raise ValueError("do: %s is not known here" % what)
        minutes, folder = _whole(command, "minutes", 1, 60), self._path.rpartition("/")[0]
        return await borrow("errands").run(what, minutes, self._board, self._recorder, self._status, folder)

    def _flag(self, command):
        flag = command.get("flag")
        if flag not in ("M", "C", "N"):
            raise ValueError("flag: expected M (maintenance), C (calibration) or N (over)")
        named = command.get("sensor")
        if named is not None and named not in self._recorder.sensors:
            raise ValueError("sensor: there is no %s; expected one of %s" % (named, sorted(self._recorder.sensors)))
        minutes = _whole(command, "minutes", 30, 1440)
        self._recorder.work(flag, [named] if named else list(self._recorder.sensors), minutes * 60)
        return "%s: flag %s for %d minutes" % (named or "all sensors", flag, minutes)

    def _without_own(self, desired, sensors):
        """Return a configuration without what somebody has changed in the board's own file since it was applied.

        Who stands at the fence decides, and the hub is told: it takes that over.
        """
        try:
            before = json.loads(files.read(self._path + ".own") or "{}")
        except ValueError:
            before = {}
        changed = {}
        for key in before:
            if key in desired and self._own.get(key) not in (None, before[key]):
                changed[key] = sensors if key == "sensors" else self._own[key]
        if changed:
            desired = {key: desired[key] for key in desired if key not in changed}
            if _size(changed) > MOST_DETAIL:
                del changed["sensors"]  # too many for a packet: they stay until the hub is to say otherwise
            self.notes.add("config", {"revision": desired["revision"], "own": changed})
            try:
                files.replace(self._path, json.dumps(desired))
            except OSError as error:
                journal.log("desired: %s" % error)  # it is told once more
                return desired
        self._keep_own(desired)
        return desired

    def _keep_own(self, desired):
        """Keep what the board's own file says now of what the hub decides, too."""
        own = {key: self._own[key] for key in self._own if key in desired or key in ("interval", "period", "relay")}
        if not own.get("sensors", 1):
            del own["sensors"]  # not known before the next start
        try:
            files.replace(self._path + ".own", json.dumps(own))
        except OSError as error:
            journal.log("desired: %s" % error)

    def _use(self, desired):
        self.revision = desired.get("revision", 0)
        wanted = dict(self._own)
        wanted.update(desired)
        self._usual = wanted["interval"]
        recorder = self._recorder
        if not self._lives:
            recorder.interval = self._usual
        recorder.period_ms = int(wanted["period"] * 1000)
        recorder.raw = wanted["raw"]
        self._relay.rule = wanted["relay"]
        self._outbox.max_bytes = wanted["outbox"]["max_bytes"]
        own = self._own["brokers"]
        # The board's own broker comes last: wherever the hub sends a board, it finds back.
        self._brokers[:] = [one for one in desired.get("brokers", []) if one not in own] + own
