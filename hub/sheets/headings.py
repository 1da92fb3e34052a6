"""What a heading means: the quantity as people call it, its unit, and how that becomes the catalogue's unit."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from schemas import Quantity

ALIASES = {
    "laeq": (
        "leq",
        "leqa",
        "laeqt",
        "leqt",
        "等效声级",
        "等效连续声级",
        "等效a声级",
        "噪声",
        "噪音",
        "噪声值",
        "noise",
    ),
    "lafmax": ("最大a声级", "最大声级"),
    "pm25": ("细颗粒物", "细颗粒", "fineparticulatematter"),
    "pm10": ("可吸入颗粒物", "可吸入颗粒"),
    "tsp": ("总悬浮颗粒物", "总悬浮颗粒", "totalsuspendedparticles"),
    "so2": ("二氧化硫", "sulphurdioxide", "sulfurdioxide"),
    "no2": ("二氧化氮", "nitrogendioxide"),
    "o3": ("臭氧", "ozone"),
    "co": ("一氧化碳", "carbonmonoxide"),
    "nmhc": ("非甲烷总烃",),
    "temperature": ("temp", "温度", "气温", "airtemperature", "airtemp", "环境温度"),
    "humidity": ("rh", "hum", "湿度", "相对湿度", "relativehumidity", "环境湿度"),
    "pressure": ("press", "气压", "大气压", "airpressure", "barometricpressure", "大气压力"),
    "wind_speed": ("ws", "风速", "windspeed"),
    "rain": ("降水", "降雨", "降水量", "降雨量", "雨量", "precipitation", "rainfall"),
    "wind_dir": ("风向", "winddirection", "winddir"),
}
"""What people call a quantity beside its key, its names in the catalogue and its HJ 212 code, squeezed as here."""

UNITS: dict[str, dict[str, tuple[float, float]]] = {
    "ug/m3": {"ugm3": (1, 0), "mgm3": (1000, 0), "ngm3": (0.001, 0), "微克立方米": (1, 0), "毫克立方米": (1000, 0)},
    "mg/m3": {"mgm3": (1, 0), "ugm3": (0.001, 0), "gm3": (1000, 0), "毫克立方米": (1, 0), "微克立方米": (0.001, 0)},
    "dB[SPL]": dict.fromkeys(("db", "dba", "dbaspl", "dbspl", "分贝"), (1.0, 0.0)),
    "Cel": {
        **dict.fromkeys(("c", "°c", "degc", "cel", "celsius", "摄氏度", "度"), (1.0, 0.0)),
        **dict.fromkeys(("f", "°f", "degf", "fahrenheit"), (5 / 9, -160 / 9)),
        **dict.fromkeys(("k", "kelvin"), (1.0, -273.15)),
    },
    "%": dict.fromkeys(("%", "%rh", "rh", "percent", "pct", "vol%", "%vol"), (1.0, 0.0)),
    "hPa": {"hpa": (1, 0), "mbar": (1, 0), "mb": (1, 0), "kpa": (10, 0), "pa": (0.01, 0), "mmhg": (1.33322, 0)},
    "m/s": {
        **dict.fromkeys(("ms", "mps", "米秒"), (1.0, 0.0)),
        **dict.fromkeys(("kmh", "kph"), (1 / 3.6, 0.0)),
        **dict.fromkeys(("kn", "knot", "knots", "kt"), (0.514444, 0.0)),
        "mph": (0.44704, 0),
    },
    "deg": dict.fromkeys(("deg", "°", "degree", "degrees", "度"), (1.0, 0.0)),
    "V": {"v": (1, 0), "mv": (0.001, 0), "伏": (1, 0)},
}
"""The catalogue's unit, then people's, squeezed: by what to multiply, what to add then."""
ALL_UNITS = frozenset(unit for units in UNITS.values() for unit in units) | {
    *("ppb", "ppm", "ppbv", "ppmv", "umolmol", "nmolmol", "dbc", "dbz", "dblin", "mgnm3", "ugnm3"),
}
VOLUME = frozenset(("ppb", "ppm", "ppbv", "ppmv", "umolmol", "nmolmol"))

_BRACKETS = re.compile(r"(.*?)\s*[(\[{【](.*)[)\]}】]\s*$", re.DOTALL)
_AVERAGE = re.compile(r"(?:avg|rtd|average|mean|均值|平均值|实测值|浓度|值)$")
_LEQ = re.compile(r"l(?:a)?eq\d*(?:s|sec|min|m|h|hour)?")


def plain(text: str) -> str:
    """Return a heading without what differs from hand to hand: width, capitals, blanks around it."""
    folded = unicodedata.normalize("NFKC", text).replace("μ", "u").replace("℃", "°c")
    return folded.strip().strip("'\"").casefold().replace("μ", "u").strip()


def squeezed(text: str) -> str:
    """Return a name without its punctuation."""
    return re.sub(r"[\s_.,;:/·\-]", "", plain(text))


def unit_of(text: str) -> str:
    """Return a unit without its punctuation."""
    return re.sub(
        r"[^0-9a-z%°\u4e00-\u9fff]", "", plain(text).replace("⁻", "-").replace("m-3", "m3").replace("s-1", "s")
    )


def splits(heading: str) -> Iterator[tuple[str, str]]:
    """Yield how a heading may be a name and a unit: "PM10 (µg/m³)", "pm10_ug_m3", "LAeq dB(A)"."""
    text = plain(heading)
    found = _BRACKETS.match(text)
    if found and unit_of(found[2]) in ALL_UNITS:
        yield found[1], unit_of(found[2])
    for match in re.finditer(r"[\s_/,:]+", text):
        if match.start() and unit_of(text[match.end() :]) in ALL_UNITS:
            yield text[: match.start()], unit_of(text[match.end() :])


def split_unit(heading: str) -> tuple[str, str]:
    """Return a heading's name and unit, "" where it has none."""
    return next(splits(heading), (plain(heading), ""))


@dataclass(frozen=True, slots=True)
class Scale:
    """How a column's values become values in the catalogue's unit."""

    factor: float = 1.0
    addend: float = 0.0

    def of(self, value: float) -> float:
        """Return a value in the catalogue's unit, without the dust that binary fractions leave."""
        return float(f"{value * self.factor + self.addend:.10g}")

    @property
    def same(self) -> bool:
        """Tell whether values stay as they are."""
        return self.factor == 1 and self.addend == 0


class UnitError(ValueError):
    """A unit that cannot be turned into the catalogue's for certain; the text says why and what to do."""


class Names:
    """What people call the quantities of the catalogue."""

    def __init__(self, quantities: Mapping[str, Quantity]) -> None:
        self._quantities = quantities
        self._keys: dict[str, str] = {}
        for key, quantity in quantities.items():
            for name in (key, quantity.en, quantity.zh, quantity.hj212 or "", *ALIASES.get(key, ())):
                if name:
                    self._keys.setdefault(squeezed(name), key)

    def key(self, name: str) -> str | None:
        """Return the key of the quantity that a name means; None: nobody knows it."""
        if name in self._quantities:
            return name
        text = squeezed(name)
        found = self._keys.get(text) or self._keys.get(_AVERAGE.sub("", text))
        if found is None and _LEQ.fullmatch(text) and "laeq" in self._quantities:
            return "laeq"
        if found is None and (brackets := _BRACKETS.match(plain(name))):
            # "Leq(A)" is a name, "细颗粒物(PM2.5)" two names of one thing
            keys = {self._keys.get(squeezed(part)) for part in (brackets[1], brackets[2], brackets[1] + brackets[2])}
            keys.discard(None)
            return keys.pop() if len(keys) == 1 else None
        return found

    def heading(self, text: str) -> tuple[str, str] | None:
        """Return the quantity and the unit ("" for none) that a heading names."""
        for name, unit in splits(text):
            if key := self.key(name):
                return key, unit
        found = _BRACKETS.match(plain(text))
        if found and re.search("/|m-?3", found[2]) and (key := self.key(found[1])):
            return key, unit_of(found[2])  # of which `scale` says that nobody knows it
        whole = self.key(text)
        return (whole, "") if whole else None

    def scale(self, key: str, unit: str) -> Scale:
        """Return how values in a unit (squeezed; "": none stated) become the catalogue's.

        Raises:
            UnitError: nobody can tell for certain.
        """
        wanted = self._quantities[key]
        units = UNITS.get(wanted.unit, {})
        if not unit or unit == unit_of(wanted.unit) or unit == unit_of(wanted.label):
            return Scale()
        if unit in units:
            return Scale(*units[unit])
        if unit in VOLUME:
            raise UnitError(
                f"{key} in {unit}: what that is in {wanted.label} depends on the temperature and pressure it is for; "
                f"convert it, and write {wanted.label}"
            )
        expected = ", ".join(dict.fromkeys((wanted.label, *units)))
        raise UnitError(f"{key} in {unit!r}: expected one of {expected}; convert it, and write {wanted.label}")
