"""Presents alerts as API and command line show them: in one language, local times, with what they rest on."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from hub.alerts import evidence as alert_evidence
from hub.alerts import models
from hub.alerts.book import Row, of_lines
from hub.alerts.desk import Desk
from hub.alerts.facts import OUTCOMES
from hub.alerts.text import SENDING, SEVERITY, STATE, WHAT, clause_of, kind_of
from hub.config.files import Config
from hub.limits.view import averaging_text
from hub.registry.live import Registry
from schemas import Limit, Quantity, Standard
from schemas.language import Lang, Text

MOST_READINGS = 10_000
"""Readings that one answer holds at most; a day has 8,640 of 10 s."""

Limits = dict[str, tuple[Standard, Limit]]
"""By the rule that verdicts cite: "GB 12523-2025 laeq-day"."""


def by_rule(limits: list[tuple[Standard, Limit]]) -> Limits:
    """Return the limits of a catalogue by the rule that verdicts cite."""
    return {f"{standard.id} {limit.id}": (standard, limit) for standard, limit in limits}


class Presenter:
    """Presents in one language."""

    def __init__(
        self, config: Config, registry: Registry, limits: Limits, quantities: dict[str, Quantity], lang: Lang
    ) -> None:
        self._config = config
        self._registry = registry
        self._limits = limits
        self._quantities = quantities
        self._lang = lang

    def say(self, text: Text) -> str:
        """Return a text in the language."""
        return text.into(self._lang)

    def time(self, t: float) -> datetime:
        """Return Unix time as local time of the registry."""
        return datetime.fromtimestamp(t, self._registry.zone)

    def maybe(self, t: float | None) -> datetime | None:
        """Return a time that may not have come."""
        return None if t is None else self.time(t)

    def alert(self, row: Row) -> models.Alert:
        """Return an alert."""
        return models.Alert(**self._alert(row))

    def _alert(self, row: Row) -> Row:
        site = self._registry.sites.get(row["site"])
        same = ("id", "kind", "state", "severity", "district", "site", "rule", "standard", "clause", "quantity")
        more = ("unit", "verified", "averaging_verified", "acknowledged_by", "escalation")
        times = ("fired", "acknowledged", "resolved", "closed")
        return {
            **{name: row[name] for name in (*same, *more, "maintenance", "permit")},
            **{name: self.maybe(row[name]) for name in times},
            "kind_name": self.say(kind_of(row)),
            "severity_name": self.say(SEVERITY[row["severity"]]),
            "state_name": self.say(STATE[row["state"]]),
            "site_name": self.say(Text(site.en, site.zh)) if site else row["site"],
            "board": row["device"],
            "value": neat(row["value"]),
            "capture": neat(row["capture"]),
            "limit": row["limit_value"],
            "opened": self.time(row["opened"]),
            "window_start": self.time(row["first"]),
            "window_end": self.time(row["last"]),
            "text": self.say(of_lines(row["text"])),
        }

    def detail(self, row: Row, desk: Desk) -> models.AlertDetail:
        """Return an alert with all that it rests on and all that was done."""
        told = desk.book.rows("SELECT * FROM notification WHERE alert = ? ORDER BY id", row["id"])
        return models.AlertDetail(
            **self._alert(row),
            cited=self._cited(row),
            steps=[self._step(step) for step in desk.steps(row["id"])],
            windows=[self._window(window) for window in desk.windows(row["id"])],
            evidence=self._evidence(row, desk),
            notifications=[
                models.Told(
                    step=one["step"],
                    recipient=one["recipient"],
                    state=one["state"],
                    attempts=one["attempts"],
                    sent=self.maybe(one["sent"]),
                    error=one["error"],
                )
                for one in told
            ],
            link=self._config.alerts.link_to(row["site"], row["device"], row["district"], row["id"]),
        )

    def windows(self, row: Row, desk: Desk) -> list[tuple[models.JudgedWindow, str]]:
        """Return the judged windows of an alert, and how people call each outcome."""
        windows = [self._window(window) for window in desk.windows(row["id"])]
        return [(one, self.say(Text(one.outcome, OUTCOMES[one.outcome]))) for one in windows]

    def told(self, row: Row, desk: Desk) -> list[str]:
        """Return a line for each notification of an alert: who, of which step, and whether it arrived."""
        rows = desk.book.rows(
            "SELECT n.*, s.what FROM notification n JOIN alert_step s ON s.id = n.step WHERE n.alert = ? ORDER BY n.id",
            row["id"],
        )
        lines = []
        for one in rows:
            when = f" {self.time(one['sent']):%Y-%m-%d %H:%M:%S}" if one["sent"] else ""
            error = f" ({one['error']})" if one["error"] else ""
            state = self.say(SENDING[one["state"]])
            lines.append(f"{one['recipient']}: {self.say(WHAT[one['what']])}: {state}{when}{error}")
        return lines

    def verdict(self, row: Row) -> models.Verdict:
        """Return a verdict."""
        return models.Verdict(
            **{name: row[name] for name in ("id", "district", "site", "rule", "outcome", "revision")},
            value=neat(row["value"]),
            board=row["device"],
            limit=row["limit_value"],
            capture=row["capture"] if "capture" in row else row["valid_share"],
            start=self.time(row["start"]),
            end=self.time(row["end"]),
            judged=self.time(row["judged"]),
            alert=row["alert"],
        )

    def maintenance(self, row: Row) -> models.Maintenance:
        """Return a maintenance window."""
        return models.Maintenance(
            id=row["id"],
            site=row["site"],
            board=row["device"],
            from_=self.time(row["begins"]),
            to=self.time(row["ends"]),
            reason=row["reason"],
            who=row["who"],
        )

    def messages(self, row: Row, desk: Desk, after: int, most: int) -> models.Messages:
        """Return the messages on which an alert rests, those behind the offset `after`, at most `most`."""
        judged = desk.judged(row)
        key = self._registry.keys.get(row["device"])
        found, oldest = alert_evidence.messages(self._config.data / "log.db", row, judged, key, after, most + 1)
        shown = found[:most]
        return models.Messages(
            messages=[self._message(one, row["quantity"]) for one in shown],
            kept_since=self.maybe(oldest),
            cursor=shown[-1].entry.offset if len(found) > most else None,
        )

    def _message(self, one: alert_evidence.Evidence, quantity: str) -> models.Message:
        payload = one.entry.payload.decode()
        return models.Message(
            offset=one.entry.offset,
            received=self.time(one.entry.received),
            topic=one.entry.topic,
            payload=payload,
            mac=payload[-66:-2],
            authentic=one.authentic,
            readings=self._readings(one, quantity),
        )

    def _readings(self, one: alert_evidence.Evidence, quantity: str) -> list[models.Reading]:
        readings = []
        for i in one.records:
            flag, value = ("N", i.values[quantity]) if quantity in i.values else i.flagged.get(quantity, (None, None))
            if flag:
                readings.append(models.Reading(t=self.time(i.t), dt=i.dt, value=value, flag=flag))
        return readings

    def _cited(self, row: Row) -> models.LimitCited | None:
        found = self._limits.get(row["rule"])
        if found is None:
            return None
        standard, limit = found
        return models.LimitCited(
            standard=standard.id,
            title=self.say(Text(standard.en, standard.zh)),
            clause=clause_of(limit),
            name=self.say(Text(limit.en, limit.zh)),
            value=limit.value,
            unit=self._quantities[limit.quantity].label,
            stated=limit.stated,
            quantity=limit.quantity,
            averaging=averaging_text(limit.averaging, self._lang),
            verified=limit.verified,
            averaging_verified=limit.averaging.verified,
            source=limit.source or standard.source,
        )

    def _step(self, row: Row) -> models.Step:
        return models.Step(
            id=row["id"],
            time=self.time(row["time"]),
            who=row["who"],
            what=row["what"],
            what_name=self.say(WHAT[row["what"]]),
            detail=self.say(Text(row["detail"], row["detail_zh"])),
            severity=row["severity"],
            told=not row["quiet"],
        )

    def _window(self, row: Row) -> models.JudgedWindow:
        return models.JudgedWindow(
            start=self.time(row["start"]),
            end=self.time(row["end"]),
            outcome=row["outcome"],
            value=neat(row["value"]),
            capture=neat(row["capture"]),
            revision=row["revision"],
        )

    def _evidence(self, row: Row, desk: Desk) -> models.Readings | None:
        device, quantity, start, end = row["device"], row["quantity"], row["first"], row["last"]
        if quantity not in self._quantities:
            return None
        influxql = None
        if self._config.store.kind == "influxdb":  # the log is here, and has them as they were sent
            found, _ = alert_evidence.messages(
                self._config.data / "log.db", row, desk.judged(row), None, 0, MOST_READINGS + 1
            )
            readings = sorted((one for each in found for one in self._readings(each, quantity)), key=lambda one: one.t)
            family = self._quantities[quantity].family
            asked = f'SELECT "{quantity}" FROM "{family}" WHERE "device" = \'{device}\' '  # noqa: S608 - known names
            influxql = f"{asked}AND time >= {start}s AND time < {end}s"
        else:
            rows = stored(self._config.data / "series.db", device, quantity, start, end)
            readings = [models.Reading(t=self.time(t), dt=dt, value=value, flag=flag) for t, dt, value, flag in rows]
        return models.Readings(
            device=device,
            quantity=quantity,
            start=self.time(start),
            end=self.time(end),
            readings=readings[:MOST_READINGS],
            truncated=len(readings) > MOST_READINGS,
            influxql=influxql,
        )


def neat(value: float | None) -> float | None:
    """Return a computed value without the last digits, which only adding up has made."""
    return None if value is None else float(f"{value:.9g}")


def stored(path: Path, device: str, quantity: str, start: int, end: int) -> list[tuple[int, int, float | None, str]]:
    """Return start, length (s), value and flag of a board's readings in the embedded store, one more than is shown."""
    if not path.exists():
        return []
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)) as db:
        return db.execute(
            "SELECT t, dt, value, flag FROM reading WHERE device = ? AND quantity = ? AND t >= ? AND t < ? "
            "ORDER BY t LIMIT ?",
            (device, quantity, start, end, MOST_READINGS + 1),
        ).fetchall()
