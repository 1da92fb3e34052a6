"""How the console writes numbers and times: local times, numbers with their unit, spans as people say them."""

from datetime import datetime
from zoneinfo import ZoneInfo

from hub.alerts.text import amount
from schemas.language import Lang, Text

MINUTE, HOUR, DAY = 60, 3600, 86_400


class Formats:
    """Writes in one language; `now`: the hub's time, Unix s."""

    def __init__(self, lang: Lang, zone: ZoneInfo, now: float) -> None:
        self._lang, self.zone, self.now = lang, zone, now

    def local(self, t: float | datetime) -> datetime:
        """Return a moment as local time."""
        return t.astimezone(self.zone) if isinstance(t, datetime) else datetime.fromtimestamp(t, self.zone)

    def moment(self, t: float | datetime | None) -> str:
        """Return date and time of day; without the date if it is today."""
        if t is None:
            return "–"
        local, now = self.local(t), self.local(self.now)
        if local.date() == now.date():
            return f"{local:%H:%M}"
        return f"{local:%m-%d %H:%M}" if local.year == now.year else f"{local:%Y-%m-%d %H:%M}"

    def full(self, t: float | datetime) -> str:
        """Return date and time of day, to the second."""
        return f"{self.local(t):%Y-%m-%d %H:%M:%S}"

    def iso(self, t: float | datetime) -> str:
        """Return a moment for programs."""
        return self.local(t).isoformat(timespec="seconds")

    def span(self, seconds: float) -> str:
        """Return a length of time in the unit in which people think of it."""
        seconds = abs(seconds)
        if seconds < HOUR:
            return Text(f"{seconds / MINUTE:.0f} min", f"{seconds / MINUTE:.0f}分钟").into(self._lang)
        if seconds < 2 * DAY:
            return Text(f"{seconds / HOUR:.1f} h", f"{seconds / HOUR:.1f}小时").into(self._lang)
        return Text(f"{seconds / DAY:.0f} days", f"{seconds / DAY:.0f}天").into(self._lang)

    def ago(self, t: float) -> str:
        """Return how long ago a moment was, or in how long it will be."""
        said = self.span(self.now - t)
        past = t <= self.now
        en, zh = (f"{said} ago", f"{said}前") if past else (f"in {said}", f"{said}后")
        return Text(en, zh).into(self._lang)

    def number(self, value: float | None, unit: str | None = None, decimals: int = 1) -> str:
        """Return a value with its unit."""
        return "–" if value is None else amount(value, unit, self._lang, f".{decimals}f")

    def limit(self, value: float | None, unit: str | None) -> str:
        """Return a limit as the law states it, with its unit."""
        return "–" if value is None else amount(value, unit, self._lang, "g")

    def size(self, octets: int) -> str:
        """Return the size of a file."""
        return f"{octets / 1e6:.1f} MB" if octets >= 1_000_000 else f"{octets / 1e3:.1f} kB"

    def share(self, value: float | None) -> str:
        """Return a share (0 to 1) in percent."""
        return "–" if value is None else f"{value * 100:.0f} %"
