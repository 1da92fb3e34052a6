"""Measures: samples the sensors, closes an interval after the other, keeps each as a record in the outbox.

Nothing here knows of the network: sampling neither stops nor slips while it is away.
"""

from edge import drivers, message
from edge.aggregate import Aggregator
from edge.journal import log

AIR = ("humidity", "temperature")  # what corrects other channels
AIR_LASTS = 300000  # ms; what is older corrects nothing


class Recorder:
    """Turns samples into records.

    `sensors`: drivers by name. `interval`: length of a record, s, a divisor of 60; changed at the next boundary.
    `period`: time between two samples of a sensor that is asked, s. `calibration`: corrects each sample.
    `made(seq, kept, values, flags)`: called with each record, `seq` None when the outbox did not take it. `raw`: report
    also what the calibration changed, as it was before. `levels`: report how often each level of noise was.

    `raw` may be changed, too; it holds from the next interval on.
    `last_made`: ticks of the last record, or of the start. `latest`: corrected value of each channel's last sample.
    `state`: HJ 212 letter of each sensor's last sample.
    """

    def __init__(self, board, timeline, outbox, sensors, interval, period, calibration, made, raw=False, levels=True):
        self._board = board
        self._timeline = timeline
        self._outbox = outbox
        self._calibration = calibration
        self.period_ms = int(period * 1000)
        self.sensors = sensors
        self._made = made
        channels = [channel for driver in sensors.values() for channel in driver.channels]
        self._aggregator = Aggregator(channels, levels)
        self.raw = raw
        self._raw = self._raw_values() if raw else None
        self.interval = interval
        self.last_made = board.ticks_ms()
        self.latest = {}
        self._air = {}  # ticks of the latest of AIR, by channel
        for driver in sensors.values():
            if hasattr(driver, "latest"):
                driver.latest = self.latest
        self.state = {}
        self._work = {}  # letter and ticks of its end, by sensor

    def _raw_values(self):
        return Aggregator([channel for driver in self.sensors.values() for channel in driver.channels])

    def work(self, flag, sensors, seconds):
        """Flag what these sensors (names) give for so long, M maintenance or C calibration; N ends it."""
        until = self._board.ticks_ms() + seconds * 1000
        for name in sensors:
            if flag != "N":
                self._work[name] = (flag, until)
            elif name in self._work:
                # The interval under way was still measured with somebody at the sensor.
                self._work[name] = (self._work[name][0], self._board.ticks_ms())

    def flag(self, name):
        """Return the HJ 212 letter under which a sensor's samples go into records now; B before the first."""
        letter, until = self._work.get(name, ("", 0))
        return letter if letter and until >= self._board.ticks_ms() else self.state.get(name, "B")

    async def sample(self, name, driver):
        """Sample one sensor for ever."""
        due = self._board.ticks_ms()
        while True:
            try:
                sample = await driver.sample()
                self.state[name] = self._take(driver, sample)
            except drivers.NoSample as reason:
                self._miss(name, driver, reason.flag, reason.least)
            except Exception as error:
                # One sensor's trouble, whatever it is, must not stop the others.
                log("sensor %s: %s %s" % (name, error.__class__.__name__, error))
                self._miss(name, driver, "D")
                await self._board.sleep_ms(1000)
            if not driver.PACED:
                now = self._board.ticks_ms()
                due = max(due + self.period_ms, now)
                await self._board.sleep_ms(due - now)

    def _take(self, driver, sample):
        """Give a sample's values to the interval under way; return the worst of their letters."""
        now = self._board.ticks_ms()
        for channel in AIR:
            if now - self._air.get(channel, now) > AIR_LASTS:
                del self._air[channel], self.latest[channel]
        ends = getattr(driver, "ends", None) or {}
        worst = "N"
        for channel, value in self._calibration.correct(sample, self.latest).items():
            raw = sample[channel]
            if channel in ends and raw >= ends[channel]:
                flag = "T"
                self._aggregator.miss(channel, flag, value)
            else:
                flag = self._aggregator.add(channel, value)
            if flag != "N":
                worst = flag
                continue
            self.latest[channel] = value
            if channel in AIR:
                self._air[channel] = now
            if self._raw:
                self._raw.add(channel, raw)
        return worst

    async def record(self):
        """Close one interval after the other for ever."""
        while True:
            step = self.interval * 1000
            now, clock = self._timeline.now()
            start = (now // step + 1) * step
            await self._board.sleep_ms(start - now)
            if self.raw != (self._raw is not None):
                self._raw = self._raw_values() if self.raw else None
            for aggregator in (self._aggregator, self._raw):
                if aggregator:
                    aggregator.close()  # what was sampled before a whole interval belongs to none
            await self._record_from(start, step, clock)

    async def _record_from(self, start, step, clock):
        """Make records, until the clock is set or stepped, the board could not run in time, or the interval changes."""
        while step == self.interval * 1000 and self.raw == (self._raw is not None):
            now, clock_now = self._timeline.now()
            if clock_now != clock or not -1000 <= now - start < step:
                return
            calibration = self._calibration.id
            await self._board.sleep_ms(start + step - now)
            values, flags = self._aggregator.close(self._work_since(self._board.ticks_ms() - step))
            raw = self._aggregator.least
            if self._raw:
                raw.update({key: value for key, value in self._raw.close()[0].items() if value != values.get(key)})
            if calibration != self._calibration.id:
                return  # half of it was measured under another calibration: it belongs to neither
            text = message.record(start // 1000, step // 1000, values, flags, raw, self._aggregator.levels)
            kept = message.keep(calibration, clock, text)
            self._made(self._outbox.append(kept), kept, values, flags)
            self.last_made = self._board.ticks_ms()
            start += step

    def _work_since(self, begin):
        """Return the letter of the work by channel, for sensors that were worked on after `begin` (ticks)."""
        self._work = {name: work for name, work in self._work.items() if work[1] >= begin}
        return {channel: work[0] for name, work in self._work.items() for channel in self.sensors[name].channels}

    def _miss(self, name, driver, flag, least=None):
        self.state[name] = flag
        if least:
            least = self._calibration.correct(least, self.latest)
        for channel in driver.channels:
            self._aggregator.miss(channel, flag, least and least.get(channel))
