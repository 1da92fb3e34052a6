"""Checklist: the result of an inspection, as of a vehicle, a shop or a gate.

    kind = "checklist"
    params = {items = {sealed = {must = true}, plate = {}, lamp = {weight = 2}}, least = 0.8}

An inspection is a sample with a state for each item: pass, fail or na (it does not apply). What is not named was not
checked.
"""

import copy
from typing import Annotated

import msgspec

from hub.judge.kinds.conditions import Share
from hub.judge.kinds.course import Folded, Setting
from hub.judge.records import Finding, Sample
from hub.judge.verdicts import Grade, Outcome
from schemas.domains.entries import Id


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One thing to check."""

    must: bool = False
    """The inspection fails with it."""
    weight: Annotated[float, msgspec.Meta(gt=0)] = 1.0


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a rule of this kind says."""

    items: Annotated[dict[Id, Item], msgspec.Meta(min_length=1)]
    least: Share = 1.0
    """Share of the weights, of items that apply, that must pass."""


def course(params: Params, setting: Setting) -> Folded:
    """Return what judges a subject by such a rule."""
    return Folded(Inspections(params, setting.rule.grade))


class Inspections:
    """Judges each inspection by itself."""

    def __init__(self, params: Params, grade: Grade) -> None:
        self._params = params
        self._grade = grade

    def copy(self) -> "Inspections":
        """See `Fold`."""
        return copy.copy(self)

    def open(self, until: int) -> list[Finding]:  # noqa: ARG002 - an inspection has been made, or it has not
        """See `Fold`."""
        return []

    def step(self, sample: Sample) -> list[Finding]:
        """See `Fold`."""
        if not self._params.items.keys() & sample.states.keys():
            return []  # another source's sample
        passed = failed = unchecked = 0.0
        fatal = doubtful = False
        for name, item in self._params.items.items():
            answer = sample.states.get(name)
            if answer == "pass":
                passed += item.weight
            elif answer == "fail":
                failed += item.weight
                fatal = fatal or item.must
            elif answer != "na":
                unchecked += item.weight
                doubtful = doubtful or item.must
        outcome: Outcome
        reason = ""
        if fatal or self._below(passed + unchecked, failed):
            outcome = "exceeded"  # whatever the rest would have shown
        elif doubtful or self._below(passed, failed + unchecked):
            outcome, reason = "invalid", "incomplete"
        else:
            outcome = "compliant"
        known = passed + failed
        return [
            Finding(
                start=sample.t,
                end=sample.t + 1,
                outcome=outcome,
                grade=self._grade,
                reason=reason,
                value=passed / known if known else None,
                limit_value=self._params.least,
                unit="1",
                evidence=(sample.id,),
                samples=1,
            )
        ]

    def _below(self, passed: float, failed: float) -> bool:
        """Tell whether too small a share passed; where nothing applies, none did."""
        return passed < self._params.least * (passed + failed) - 1e-9
