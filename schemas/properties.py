"""What a limit may ask of a site beside its kind and its class of noise zone."""

from collections.abc import Mapping
from typing import NamedTuple

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


PROPERTIES = {
    "air_class": Property(
        "class of ambient air: 1 nature reserves, 2 elsewhere",
        "环境空气功能区类别",
        {"1": ("class 1", "一类区"), "2": ("class 2", "二类区")},
        "2",
    ),
    "area": Property(
        "area around a construction site",
        "工地所在区域",
        {"urban": ("urban", "城镇建成区"), "rural": ("suburban or rural", "郊区及农村地区")},
    ),
    "phase": Property(
        "phase of construction",
        "施工阶段",
        {
            "earthworks": ("demolition, earthworks, foundation treatment", "拆除、土方及地基处理工程"),
            "structure": ("foundation, main structure, decoration", "基础、主体结构及装饰工程"),
        },
    ),
    "noise": Property(
        "course of the noise",
        "噪声类型",
        {"steady": ("steady", "稳态"), "varying": ("varying", "非稳态")},
        "steady",
    ),
    "night_noise": Property(
        "sudden noise at night",
        "夜间突发噪声",
        {"frequent": ("frequent", "频发"), "occasional": ("occasional", "偶发")},
        "occasional",
    ),
    "plant": Property(
        "what the stack serves",
        "排气筒所属设备",
        {
            "boiler": ("boiler", "锅炉"),
            "power_boiler": ("boiler of a power station", "火电厂锅炉"),
            "gas_turbine": ("gas turbine", "燃气轮机组"),
            "furnace": ("industrial furnace", "工业炉窑"),
            "cement": ("cement works", "水泥工业设备"),
            "other": ("other plant", "其他"),
        },
    ),
    "fuel": Property("fuel", "燃料", {"coal": ("coal", "燃煤"), "oil": ("oil", "燃油"), "gas": ("gas", "燃气")}),
    "boiler": Property(
        "whether the boiler was in use before the standard, is new, or is under special limits",
        "锅炉类别",
        {"in_use": ("in use", "在用"), "new": ("new", "新建"), "special": ("special limits", "特别排放限值")},
    ),
    "capacity": Property(
        "output of the boiler: 6 t/h of steam (4.2 MW) or more, or less",
        "锅炉容量（6蒸吨/小时即4.2兆瓦及以上，或以下）",
        {"large": ("6 t/h or more", "6蒸吨/小时及以上"), "small": ("less than 6 t/h", "6蒸吨/小时以下")},
    ),
    "key_industry": Property(
        "whether it is one of the industries that a local standard names",
        "是否属地方标准所列重点行业",
        {"yes": ("yes", "是"), "no": ("no", "否")},
    ),
    "sensitive": Property(
        "whether buildings that are sensitive to noise stand around the site",
        "周围是否有噪声敏感建筑物",
        {"near": ("there are", "有"), "none": ("there are none", "无")},
        "near",
    ),
    "works": Property(
        "whether the works are planned, or repair in an emergency",
        "施工性质",
        {"planned": ("planned", "正常施工"), "emergency": ("emergency repair", "抢修、抢险")},
        "planned",
    ),
    "who_target": Property(
        "which level of WHO is aimed at",
        "世卫组织准则值或过渡时期目标",
        {"AQG": ("guideline", "准则值")} | {f"IT{n}": (f"interim target {n}", f"过渡时期目标{n}") for n in range(1, 5)},
        "AQG",
    ),
}
