"""Quota: what documents add up to for a place is no more than its permit lets it have; judged once a local day.

    kind = "quota"
    params = {by = {by = "manifest", of = "project"}, amount = "loaded_m3", most = "volume_m3", tolerance = 0.05,
              unit = "m3"}

The subject is the place, such as a building site or a dump site: its own property `most` is the permitted volume of the
edition that holds when the day ends, and every document counts that begins while that permit holds, up to that moment.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Calendar, Permit
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.verdicts import Outcome
from hub.judge.windows import Window
from schemas.domains.entries import Id

DAYS = Calendar(("00:00-00:00",))


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    by: Permit
    """The kind of documents, and their property that names the subject."""
    amount: Id
    """The documents' property that is added up; one that does not say it counts as nothing, and makes it uncertain."""
    most: Id
    """The subject's property that says how much it may be."""
    tolerance: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    unit: str = ""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""

    def windows(start: int, end: int) -> list[Window]:
        return DAYS.windows(start, end, setting.local)

    return Windowed(windows, Sums(params, setting).judge, 0, setting.since)


class Sums:
    """Adds up."""

    def __init__(self, params: Params, setting: Setting) -> None:
        self._params = params
        self._setting = setting

    def judge(self, window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG002 - only documents count
        """Return the finding on a day."""
        world, params, t = self._setting.world, self._params, window[1] - 1
        own = world.in_force(self._setting.kind, self._setting.subject, t)
        most = own.edition.properties.get(params.most) if own else None
        outcome: Outcome = "compliant"
        reason, total = "", 0.0
        cited = []
        if own is None or not isinstance(most, (int, float)):
            outcome, reason, most = "invalid", "no_permit", None
        else:
            cited.append(own.cited)
            terms = world.held_by(params.by.by, params.by.of, self._setting.subject)
            counted = [term for term in terms if own.since <= term.since <= t]
            said = [term.edition.properties.get(params.amount) for term in counted]
            total = float(sum(one for one in said if isinstance(one, (int, float))))
            cited += [term.cited for term in counted[-MOST_EVIDENCE + 1 :]]
            if total > most * (1 + params.tolerance):
                outcome = "exceeded"
            elif any(not isinstance(one, (int, float)) for one in said):
                outcome, reason = "invalid", "incomplete"
        return Finding(
            start=window[0],
            end=window[1],
            outcome=outcome,
            grade=self._setting.rule.grade,
            reason=reason,
            value=total if most is not None else None,
            limit_value=None if most is None else float(most),
            unit=params.unit,
            editions=tuple(cited),
        )
