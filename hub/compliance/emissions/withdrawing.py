"""Takes back what was judged by a permit that did not hold after all."""

from datetime import date

import msgspec

from hub.compliance.verdicts import KeptVerdict
from hub.judge.permitted import PermittedLimit
from hub.judge.rules import Plans
from hub.judge.stacks.hours import HIGH_O2
from hub.judge.stacks.permits import OUTLET
from hub.judge.verdicts import Verdict


def withdrawn(kept: KeptVerdict, plans: Plans, day: date, now: float) -> Verdict:
    """Return the verdict that takes back one by a permit that did not hold after all.

    `day`: the local day of its window. `now`: Unix s.
    """
    editions = msgspec.json.decode(kept.editions, type=tuple[tuple[str, str, int], ...])
    outlet = next((id_ for kind, id_, _ in editions if kind == OUTLET), "")
    permit = PermittedLimit(
        id=kept.limit_id,
        pollutant=kept.quantity,
        value=kept.limit_value or 0.0,
        reference_o2=None,
        void_o2=HIGH_O2,
        number=kept.standard,
        outlet=outlet,
        outlet_number=outlet,
        cited=editions,
        since=kept.start,
    )
    rule = plans.permit_rule(permit, day)
    return Verdict(
        district=kept.district,
        site=kept.site,
        device=kept.device,
        rule=kept.rule,
        standard=rule.standard,
        limit=rule.limit,
        quantity=kept.quantity,
        start=kept.start,
        end=kept.end,
        value=kept.value,
        compared=kept.compared,
        background=None,
        limit_value=kept.limit_value,
        unit=kept.unit,
        decimals=rule.decimals,
        capture=kept.valid_share,
        outcome="invalid",
        grade="",
        reason="withdrawn",
        missing="",
        assumed="",
        permitted=False,
        revision=kept.revision + 1,
        judged=now,
        binding="informs",
        proof=kept.proof,
        editions=editions,
    )
