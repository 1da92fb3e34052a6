"""Where standards are in force: countries, provinces, cities with limits of their own, and what each lies in.

Codes are those of ISO 3166-2.
"""

import difflib
import re

from schemas.cities import CITIES, squeezed

_PROVINCES = {
    "AH": ("Anhui", "安徽"),
    "BJ": ("Beijing", "北京"),
    "CQ": ("Chongqing", "重庆"),
    "FJ": ("Fujian", "福建"),
    "GD": ("Guangdong", "广东"),
    "GS": ("Gansu", "甘肃"),
    "GX": ("Guangxi", "广西"),
    "GZ": ("Guizhou", "贵州"),
    "HA": ("Henan", "河南"),
    "HB": ("Hubei", "湖北"),
    "HE": ("Hebei", "河北"),
    "HI": ("Hainan", "海南"),
    "HL": ("Heilongjiang", "黑龙江"),
    "HN": ("Hunan", "湖南"),
    "JL": ("Jilin", "吉林"),
    "JS": ("Jiangsu", "江苏"),
    "JX": ("Jiangxi", "江西"),
    "LN": ("Liaoning", "辽宁"),
    "NM": ("Inner Mongolia", "内蒙古"),
    "NX": ("Ningxia", "宁夏"),
    "QH": ("Qinghai", "青海"),
    "SC": ("Sichuan", "四川"),
    "SD": ("Shandong", "山东"),
    "SH": ("Shanghai", "上海"),
    "SN": ("Shaanxi", "陕西"),
    "SX": ("Shanxi", "山西"),
    "TJ": ("Tianjin", "天津"),
    "XJ": ("Xinjiang", "新疆"),
    "XZ": ("Tibet", "西藏"),
    "YN": ("Yunnan", "云南"),
    "ZJ": ("Zhejiang", "浙江"),
}

_CITIES = {
    "CN-GD-4401": ("Guangzhou", "广州"),
    "CN-GD-4406": ("Foshan", "佛山"),
    "CN-JS-3202": ("Wuxi", "无锡"),
    "CN-JX-3601": ("Nanchang", "南昌"),
    "CN-SN-6101": ("Xi'an", "西安"),
}

JURISDICTIONS = (
    {
        "WHO": ("World Health Organization", "世界卫生组织"),
        "EU": ("European Union", "欧盟"),
        "CN": ("China", "中国"),
    }
    | {f"CN-{code}": names for code, names in _PROVINCES.items()}
    | _CITIES
)
"""English and Chinese name by code. A city's own code is its province's, with the digits of GB/T 2260 behind it."""
_DISTRICTS = {"nanhai": "CN-GD-4406", "南海": "CN-GD-4406", "南海区": "CN-GD-4406"}
"""Districts that people name for the city in which they lie."""
_KNOWN = {squeezed(text): code for code, names in JURISDICTIONS.items() for text in (code, *names)} | _DISTRICTS
"""By code and by name, squeezed."""


_SUFFIX = re.compile(
    r"(?:市|省|(?:壮族|回族|维吾尔)?自治区|特别行政区|-?(?:province|municipality|city|shi|autonomousregion))$"
)


def _province_of(name: str) -> str | None:
    """Return the code of the province in which a city lies; None: no such city.

    Raises:
        LookupError: two provinces have a city of that name.
    """
    wanted = squeezed(name.strip())
    found = CITIES.get(wanted) or CITIES.get(_SUFFIX.sub("", wanted)) or ()
    if len(found) > 1:
        both = " or ".join(f"'{zh}' ({code})" for code, zh in found)
        raise LookupError(f"there are several cities '{name}'; expected {both}")
    return found[0][0] if found else None


def jurisdictions_of(name: str) -> tuple[str, ...]:
    """Return the codes of the jurisdictions in which a place lies, the narrowest first; WHO, the world, is the last.

    Args:
        name: a code such as ``CN-SH``, or its English or Chinese name, or the name of a city: one without
            limits of its own lies in its province.

    Raises:
        LookupError: no such jurisdiction; the text names the nearest ones.
    """
    wanted = squeezed(name.strip())
    code = _KNOWN.get(wanted) or _KNOWN.get(_SUFFIX.sub("", wanted)) or _province_of(name)
    if code is None:
        near = difflib.get_close_matches(wanted, [*_KNOWN, *CITIES], 2, 0.75)
        codes = {text: _KNOWN.get(text) or CITIES[text][0][0] for text in near}
        expected = (
            " or ".join(f"'{one}' ({text})" for text, one in codes.items()) or "a code such as CN, CN-SH, EU or WHO"
        )
        raise LookupError(f"there is no jurisdiction '{name}'; expected {expected}")
    parts = code.split("-")
    wider = ("-".join(parts[:length]) for length in range(len(parts), 0, -1))
    return tuple(dict.fromkeys((*wider, "WHO")))
