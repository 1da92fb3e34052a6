"""Signed: all parties sign a document, some of them after its end; asked once a local day of those whose time is up.

    kind = "signed"
    params = {by = {by = "manifest", of = "project"}, signed = ["signed_builder", "signed_receiver"], within = 86400}

The subject is what documents name, such as a building site. What is signed later than it had to be is amended: a
document's edition says who signed, not when the hub heard it.
"""

from collections.abc import Sequence
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Permit, Seconds
from hub.judge.kinds.course import Setting, Windowed
from hub.judge.kinds.haulage.quota import DAYS
from hub.judge.kinds.world import NEVER, Term
from hub.judge.records import MOST_EVIDENCE, Finding, Sample
from hub.judge.windows import Window
from schemas.domains.entries import Id


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    by: Permit
    """The kind of documents, and their property that names the subject."""
    signed: Annotated[tuple[Id, ...], msgspec.Meta(min_length=1)]
    """Their properties, each a time at which somebody signed."""
    within: Seconds = 0.0
    """So long after its end a document may be signed [s]."""


def course(params: Params, setting: Setting) -> Windowed:
    """Return what judges a subject by such a rule."""

    def due(window: Window) -> list[Term]:
        """Return the documents whose time is up in a window, each by its newest word."""
        terms = setting.world.held_by(params.by.by, params.by.of, setting.subject)
        return [term for term in terms if term.until < NEVER and window[0] <= term.until + params.within < window[1]]

    def windows(start: int, end: int) -> list[Window]:
        return [one for one in DAYS.windows(start, end, setting.local) if due(one)]

    def judge(window: Window, samples: Sequence[Sample]) -> Finding:  # noqa: ARG001 - only documents count
        terms = due(window)
        wrong = [term for term in terms if not all(term.edition.properties.get(name) for name in params.signed)]
        own = setting.world.in_force(setting.kind, setting.subject, window[1] - 1)
        cited = [term.cited for term in (wrong or terms)][:MOST_EVIDENCE]
        return Finding(
            start=window[0],
            end=window[1],
            outcome="exceeded" if wrong else "compliant",
            grade=setting.rule.grade,
            reason="not_signed" if wrong else "",
            value=float(len(wrong)),
            limit_value=0.0,
            unit="1",
            editions=(*((own.cited,) if own else ()), *cited),
        )

    return Windowed(windows, judge, 0, setting.since)
