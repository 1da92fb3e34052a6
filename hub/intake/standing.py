"""Finds where each record of something that has moved was made: the registry is believed, not the topic."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from hub.log.outcomes import PLACE, WHOLE, Admitted, Apart, Finding
from hub.registry.live import Registry, Sender, Site
from hub.registry.stays import stays_of
from hub.wire.channels import Measured, Observed
from hub.wire.messages import Event, Telemetry

NOWHERE, OTHER_DISTRICT = "nowhere", "other_district"
"""Reasons for which a record is kept and does not count here: it was made between two sites, or in a district of
another hub's."""


def belongs(registry: Registry, sender: Sender, district: str, site: str) -> bool:
    """Tell whether a sender speaks, or once spoke, under the topics of a site."""
    return any(one.id == site and one.district == district for one in registry.places_of(sender))


def placed(admitted: Admitted, sender: Sender, registry: Registry, districts: Collection[str]) -> Admitted:
    """Return a message of a sender that has moved with what it must say of where its parts were made.

    What has no time of its own, a status or a reply, is about now, and belongs where it was said.

    Args:
        admitted: the message, as its topic has it.
        sender: what sent it.
        registry: knows where it stood.
        districts: those of this hub; none: all.
    """
    home = f"{admitted.district}/{admitted.site}"
    head, _, tail = admitted.topic.partition(f"/{home}/")
    topics = (f"{head}/{one.district}/{one.id}/{tail}" for one in registry.places_of(sender))
    also = tuple(topic for topic in topics if topic != admitted.topic)
    where = [registry.site_at(sender, t) for t in _times(admitted.message)]
    if isinstance(admitted.message, Event) and where == [None]:  # it may tell of what was lost: heard, but at no site
        return msgspec.structs.replace(admitted, findings=[(WHOLE, PLACE, "/")], also=also)
    reasons = [_reason(site, districts) for site in where]
    away = tuple(index for index, reason in enumerate(reasons) if reason)
    findings = admitted.findings
    if not away and len({site.id for site in where if site}) == 1:
        findings = [*_of_place(WHOLE, where[0], home), *findings]
    else:
        for index, site in enumerate(where):
            findings = [*findings, *_of_place(index, site, home)]
    apart = Apart(away, reasons[away[0]], _detail(sender, registry, len(away), len(where))) if away else None
    return msgspec.structs.replace(admitted, findings=findings, also=also, apart=apart)


def _times(message: object) -> Sequence[float]:
    if isinstance(message, (Telemetry, Measured)):
        return [record.t for record in message.records]
    if isinstance(message, Observed):
        return [moment.t for moment in message.moments]
    return [message.t] if isinstance(message, Event) and message.t else []


def _reason(site: Site | None, districts: Collection[str]) -> str:
    if site is None:
        return NOWHERE
    return OTHER_DISTRICT if districts and site.district not in districts else ""


def _of_place(index: int, site: Site | None, home: str) -> list[Finding]:
    where = f"{site.district}/{site.id}" if site else home
    return [] if where == home else [(index, PLACE, where)]


def _detail(sender: Sender, registry: Registry, away: int, all_: int) -> str:
    places = []
    for stay in stays_of(sender):
        ends = " from {} to {}".format(*(_shown(t, registry) for t in (stay.since, stay.until)))
        places.append(f"{registry.sites[stay.site].district}/{stay.site}{ends}")
    return (
        f"{away} of {all_} were not made at a site of this hub's: by the registry it stood at {', '.join(places)}; if "
        "that is wrong, mend 'since' or 'earlier', and they are judged again"
    )


def _shown(t: float, registry: Registry) -> str:
    if abs(t) == float("inf"):
        return "ever" if t < 0 else "now"
    return datetime.fromtimestamp(t, registry.zone).isoformat(timespec="minutes")
