"""Presents alerts as API and command line show them: in one language, local times, with what they rest on."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, get_args

import msgspec
from pydantic import BaseModel

from hub.alerts.facts import OUTCOMES
from hub.alerts.maintenance import Maintenance
from hub.alerts.proof import cited_by, judged_at
from hub.alerts.records import Alert, AlertEvent, AlertWindow
from hub.alerts.text import SENDING, step_name
from hub.config.files import Config
from hub.desk import evidence as alert_evidence
from hub.desk import models
from hub.desk.desk import Desk
from hub.desk.listing import listed, neat
from hub.desk.permits import permit_cited
from hub.desk.told import notifications_of
from hub.judge.records import Sample
from hub.limits.view import averaging_text
from hub.registry.instruments import CLASSES, DECISIONS, instrument_for
from hub.registry.live import Board, Registry, Station
from hub.series.sqlite import stored_readings
from hub.wire.channels import BOARD
from schemas import Limit, Quantity, Standard
from schemas.chinese import source_text
from schemas.language import Lang, Text, clause_text

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
        self,
        config: Config,
        registry: Registry,
        limits: Limits,
        quantities: dict[str, Quantity],
        lang: Lang,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._registry = registry
        self._limits = limits
        self._quantities = quantities
        self._lang = lang
        self._clock = clock

    def say(self, text: Text) -> str:
        """Return a text in the language."""
        return text.into(self._lang)

    def time(self, t: float) -> datetime:
        """Return Unix time as local time of the registry."""
        return datetime.fromtimestamp(t, self._registry.zone)

    def maybe(self, t: float | None) -> datetime | None:
        """Return a time that may not have come."""
        return None if t is None else self.time(t)

    def same(self, record: msgspec.Struct, model: type[BaseModel]) -> dict[str, Any]:
        """Return what a model shows as a record holds it under the same name; its times as local times."""
        shown = {}
        for name in record.__struct_fields__:
            field = model.model_fields.get(name)
            if field is not None:
                value = getattr(record, name)
                is_time = datetime in {field.annotation, *get_args(field.annotation)}
                shown[name] = self.maybe(value) if is_time else value
        return shown

    def alert(self, alert: Alert) -> models.Alert:
        """Return an alert."""
        return models.Alert(**self._alert(alert))

    def _alert(self, alert: Alert) -> dict[str, Any]:
        return listed(alert, self._registry, self._lang, self._clock())

    def detail(self, alert: Alert, desk: Desk) -> models.AlertDetail:
        """Return an alert with all that it rests on and all that was done."""
        return models.AlertDetail(
            **self._alert(alert),
            cited=self._cited(alert, desk),
            measured_by=self._measured_by(alert),
            steps=[self._step(event, alert.kind) for event in desk.book.events_of(alert.id)],
            windows=self._windows(alert, desk),
            evidence=self._evidence(alert, desk),
            notifications=[
                models.Told(**self.same(one, models.Told)) for one in notifications_of(desk.book.db, alert.id)
            ],
            link=self._config.alerting.link_to(alert.site, alert.device, alert.district, alert.id),
        )

    def windows(self, alert: Alert, desk: Desk) -> list[tuple[models.JudgedWindow, str]]:
        """Return the judged windows of an alert, and how people call each outcome."""
        return [(one, self.say(OUTCOMES[one.outcome])) for one in self._windows(alert, desk)]

    def told(self, alert: Alert, desk: Desk) -> list[str]:
        """Return a line for each notification of an alert: who, of which event, and whether it arrived."""
        events = {event.id: event for event in desk.book.events_of(alert.id)}
        lines = []
        for one in notifications_of(desk.book.db, alert.id):
            when = f" {self.time(one.sent):%Y-%m-%d %H:%M:%S}" if one.sent else ""
            error = f" ({one.error})" if one.error else ""
            what, state = self.say(step_name(events[one.step].what, alert.kind)), self.say(SENDING[one.state])
            lines.append(f"{one.recipient}: {what}: {state}{when}{error}")
        return lines

    def maintenance(self, window: Maintenance) -> models.Maintenance:
        """Return a maintenance window."""
        return models.Maintenance(
            **self.same(window, models.Maintenance),
            board=window.device,
            from_=self.time(window.begins),
            to=self.time(window.ends),
        )

    def messages(self, alert: Alert, desk: Desk, after: int, most: int) -> models.Messages:
        """Return the messages on which an alert rests, those behind the offset `after`, at most `most`."""
        judged = judged_at(desk.book.db, alert)
        cited = alert_evidence.Cited(*cited_by(desk.book.db, alert))
        sources = self._sources(alert, cited)
        found, oldest = alert_evidence.messages(
            self._config.data / "log.db", alert, judged, sources, after, most + 1, cited
        )
        shown = found[:most]
        return models.Messages(
            messages=[self._message(one, alert.quantity) for one in shown],
            kept_since=self.maybe(oldest),
            cursor=shown[-1].entry.offset if len(found) > most else None,
        )

    def _message(self, one: alert_evidence.Evidence, quantity: str | None) -> models.Message:
        payload = one.entry.payload.decode("utf-8", "backslashreplace")
        sealed = one.entry.channel is BOARD
        return models.Message(
            offset=one.entry.offset,
            received=self.time(one.entry.received),
            channel=one.entry.channel.name,
            source=one.entry.place.device,
            proof=one.entry.proof,
            topic=one.entry.topic,
            payload=payload,
            mac=payload[-66:-2] if sealed else "",
            authentic=one.authentic,
            readings=self._readings(one, quantity),
            samples=[self._sample(sample) for sample in one.samples],
        )

    def _sample(self, sample: Sample) -> models.EvidenceSample:
        return models.EvidenceSample(
            id=sample.id,
            t=self.time(sample.t),
            lat=sample.lat,
            lon=sample.lon,
            radius=sample.radius,
            speed=sample.speed,
            states=dict(sample.states),
        )

    def _readings(self, one: alert_evidence.Evidence, quantity: str | None) -> list[models.EvidenceReading]:
        readings: list[models.EvidenceReading] = []
        if quantity is None:
            return readings
        for i in one.records:
            flag, value = ("N", i.values[quantity]) if quantity in i.values else i.flagged.get(quantity, ("", None))
            if flag:
                readings.append(models.EvidenceReading(t=self.time(i.t), dt=i.dt, value=value, flag=flag))
        return readings

    def law(self, alert: Alert, desk: Desk) -> tuple[Standard, Limit] | None:
        """Return the standard and its limit that an alert cites, or the permit and what it allows; None: neither."""
        known = self._limits.get(alert.rule)
        if known is not None or alert.kind != "limit":
            return known
        return permit_cited(desk.book.db, alert.rule, int(alert.first), self._quantities, self._registry.zone)

    def _cited(self, alert: Alert, desk: Desk) -> models.LimitCited | None:
        found = self.law(alert, desk)
        if found is None:
            return None
        standard, limit = found
        return models.LimitCited(
            standard=standard.id,
            title=self.say(Text(standard.en, standard.zh)),
            clause=self.say(clause_text(limit.clause or "")),
            name=self.say(Text(limit.en, limit.zh)),
            value=limit.value,
            unit=self._quantities[limit.quantity].label,
            stated=limit.stated,
            quantity=limit.quantity,
            averaging=averaging_text(limit.averaging, self._lang),
            verified=limit.verified,
            averaging_verified=limit.averaging.verified,
            rounding=limit.rounding,
            source=self.say(source_text(limit.source or standard.source)),
        )

    def _measured_by(self, alert: Alert) -> str:
        """Return what is stated of the instrument: as it was judged, with the source as the registry has it now."""
        if alert.kind != "limit":
            return ""
        parts = [self.say(CLASSES.get(alert.instrument, CLASSES[""]))]
        if alert.uncertainty is not None:
            parts.append(f"±{alert.uncertainty:.3g} {alert.unit} (k = 2)")
        sender = self._registry.sender(alert.device)
        stated = sender.instruments if isinstance(sender, Board | Station) else ()
        named = instrument_for(stated, alert.quantity or "")
        if named and named.source:
            parts.append(named.source)
        return self.say(Text(", ", "，")).join([*parts, self.say(DECISIONS[alert.decision])])

    def _step(self, event: AlertEvent, kind: str) -> models.Step:
        return models.Step(
            **self.same(event, models.Step)
            | {
                "what_name": self.say(step_name(event.what, kind)),
                "detail": self.say(Text(event.detail, event.detail_zh)),
                "told": not event.quiet,
            }
        )

    def _windows(self, alert: Alert, desk: Desk) -> list[models.JudgedWindow]:
        return [self._window(window) for window in desk.book.windows_of(alert.id)]

    def _window(self, window: AlertWindow) -> models.JudgedWindow:
        neatly = {"value": neat(window.value), "capture": neat(window.capture)}
        return models.JudgedWindow(**self.same(window, models.JudgedWindow) | neatly)

    def _sources(self, alert: Alert, cited: alert_evidence.Cited) -> dict[str, alert_evidence.Source]:
        """Return whose messages an alert rests on: those of its board, or of all that spoke for a rule's subject."""
        about = [one.partition("/")[0] for one in cited.samples] if alert.kind == "rule" else [alert.device]
        found = {}
        for device in filter(None, dict.fromkeys(about)):
            sender = self._registry.sender(device)
            places = [(site.district, site.id) for site in self._registry.places_of(sender)] if sender else []
            found[device] = alert_evidence.Source(self._registry.keys_of(device), places)
        return found

    def _evidence(self, alert: Alert, desk: Desk) -> models.Readings | None:
        device, quantity, start, end = alert.device, alert.quantity, alert.first, alert.last
        if quantity is None or quantity not in self._quantities:
            return None
        influxql = None
        if self._config.store.kind == "influxdb":  # the log is here, and has them as they were sent
            sources = self._sources(alert, alert_evidence.NOTHING_CITED)
            found, _ = alert_evidence.messages(
                self._config.data / "log.db", alert, judged_at(desk.book.db, alert), sources, 0, MOST_READINGS + 1
            )
            readings = sorted((one for each in found for one in self._readings(each, quantity)), key=lambda one: one.t)
            family = self._quantities[quantity].family
            asked = f'SELECT "{quantity}" FROM "{family}" WHERE "device" = \'{device}\' '  # noqa: S608 - known names
            influxql = f"{asked}AND \"site\" = '{alert.site}' AND time >= {start}s AND time < {end}s"
        else:
            series = self._config.data / "series.db"
            rows = stored_readings(series, device, quantity, start, end, MOST_READINGS + 1, alert.site)
            readings = [
                models.EvidenceReading(t=self.time(t), dt=dt, value=value, flag=flag) for t, dt, value, flag in rows
            ]
        return models.Readings(
            device=device,
            quantity=quantity,
            start=self.time(start),
            end=self.time(end),
            readings=readings[:MOST_READINGS],
            truncated=len(readings) > MOST_READINGS,
            influxql=influxql,
        )
