"""Held: a document that names the subject is in force, as a shop's yearly agreement; asked once a local day.

    kind = "held"
    params = {by = {by = "agreement", of = "shop"}}

It is asked of the day's end, so that a day on which one is signed is kept. A day on which the subject itself does not
hold any more is not asked.
"""

from collections.abc import Sequence

import msgspec

from hub.judge.kinds.conditions import Permit
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.haulage.quota import DAYS
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.windows import Window


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    by: Permit
    """The kind of documents, and their property that names the subject."""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""
    world = setting.world

    def windows(start: int, end: int) -> list[Window]:
        return [
            one
            for one in DAYS.windows(start, end, setting.local)
            if world.in_force(setting.kind, setting.subject, one[1] - 1) is not None
        ]

    def judge(window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG001 - only documents count
        last = window[1] - 1
        own = world.in_force(setting.kind, setting.subject, last)
        terms = world.held_at(params.by.by, params.by.of, setting.subject, last)
        held = [term.cited for term in terms][:MOST_EVIDENCE]
        return Finding(
            start=window[0],
            end=window[1],
            outcome="compliant" if held else "exceeded",
            grade=setting.rule.grade,
            reason="" if held else "no_document",
            value=float(len(held)),
            limit_value=1.0,
            unit="1",
            editions=(*((own.cited,) if own else ()), *held),
        )

    return Windowed(windows, judge, 0, setting.since)
