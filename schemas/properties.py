"""What a limit may ask of a site beside its kind and its class of noise zone."""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from schemas.domains.pack import Pack, packs, properties_declared
from schemas.language import Text

ZONE_CLASSES = ("0", "1", "2", "3", "4", "4a", "4b")
"""Classes of acoustic environment of GB 3096. A site of class 4 without a letter counts as 4a."""


class Property(NamedTuple):
    """A property of a site: its meaning, the values it may have with their names, and the one that is assumed."""

    en: str
    zh: str
    values: Mapping[str, tuple[str, str]]
    """English and Chinese name by value."""
    default: str | None = None
    """Assumed where nobody says otherwise; None: it must be said."""


SHARED = {
    "air_class": Property(
        "class of ambient air: 1 nature reserves, 2 elsewhere",
        "环境空气功能区类别",
        {"1": ("class 1", "一类区"), "2": ("class 2", "二类区")},
        "2",
    ),
    "who_target": Property(
        "which level of WHO is aimed at",
        "世卫组织准则值或过渡时期目标",
        {"AQG": ("guideline", "准则值")} | {f"IT{n}": (f"interim target {n}", f"过渡时期目标{n}") for n in range(1, 5)},
        "AQG",
    ),
}
"""What may be asked of a site of any kind; packs declare the rest."""


ZONE_CLASS = Text("class of the noise zone", "声环境功能区类别")
LIMIT_VALUE = Text("the limit's value", "限值数值")
RUNNING = Text("the plant was running", "设备正常运行")


def told_missing(name: str) -> Text:
    """Return in words what is not known of a site or of a limit, as `hub.judge.verdicts.Verdict.missing` names it."""
    own = {"value": LIMIT_VALUE, "zone_class": ZONE_CLASS}
    known = site_properties().get(name)
    return own.get(name) or (Text(known.en.partition(":")[0], known.zh) if known else Text(name, name))


def told_assumed(codes: str) -> Text:
    """Return in words what is assumed of a site, `NAME=VALUE, NAME=VALUE`; what no pack declares stays as it is."""
    said = [_told(*code.split("=", 1)) for code in codes.split(", ") if "=" in code]
    return Text("; ".join(one.en for one in said), "；".join(one.zh for one in said))


def _told(name: str, value: str) -> Text:
    if (name, value) == ("operation", "running"):
        return RUNNING
    known = site_properties().get(name)
    en, zh = known.values.get(value, (value, value)) if known else (value, value)
    what = told_missing(name)
    return Text(f"{what.en}: {en}", f"{what.zh}：{zh}")


def site_properties() -> Mapping[str, Property]:
    """Return every property of a site by name."""
    return _properties(packs())


@lru_cache(2)
def _properties(among: tuple[Pack, ...]) -> dict[str, Property]:
    declared = {
        name: Property(one.en, one.zh, {value: (n.en, n.zh) for value, n in one.values.items()}, one.default)
        for name, one in properties_declared(among).items()
    }
    return SHARED | declared
