"""What states of terminals, and of things, are called and look like."""

from collections.abc import Mapping

from hub.console.badges import OF_RULES, Badge
from hub.judge.records import Value
from schemas.language import Lang, Text

NOW: dict[str, tuple[str, str, Text]] = {
    **OF_RULES,
    "lost": ("warn", "cross", Text("no position", "无定位")),
    "moving": ("good", "circle", Text("moving", "行驶")),
    "standing": ("quiet", "square", Text("standing", "停车")),
    "silent": ("quiet", "ring", Text("nothing heard", "无信号")),
}
"""How somebody whom rules watch is now: tone, shape, word. The gravest first."""
RANKS = {state: rank for rank, state in enumerate(NOW)}
HOLDS: dict[str, tuple[str, str, Text]] = {
    "holds": ("good", "circle", Text("holds", "有效")),
    "coming": ("quiet", "ring", Text("to come", "尚未生效")),
    "over": ("quiet", "square", Text("over", "已失效")),
}
"""Whether a thing holds now."""
EDITED = {
    "added": Text("added", "新增"),
    "changed": Text("changed from a day on", "自某日起变更"),
    "corrected": Text("corrected", "更正"),
    "withdrawn": Text("withdrawn", "撤销"),
}
"""What an edition did."""
STATES = {
    "acc": Text("ignition", "点火"),
    "load": Text("load", "载重"),
    "cover": Text("cover", "顶盖"),
    "lift": Text("lift", "举升"),
    "weight": Text("weight", "重量"),
    "locked": Text("locked", "锁车"),
    "maintenance": Text("maintenance", "维保"),
    "brush": Text("brush", "扫刷"),
    "water": Text("water", "喷水"),
    "undervoltage": Text("low voltage", "欠压"),
    "power_lost": Text("power cut", "断电"),
    "antenna_open": Text("antenna cut off", "天线断开"),
    "antenna_short": Text("antenna shorted", "天线短路"),
    "satellites": Text("satellites", "卫星数"),
    "recorder_speed": Text("speed by recorder", "记录仪速度"),
}
"""States as profiles of terminals name them; another one is shown by its name."""
VALUES: dict[Value, Text] = {
    True: Text("on", "开"),
    False: Text("off", "关"),
    "full": Text("full", "重车"),
    "half": Text("half full", "半载"),
    "empty": Text("empty", "空车"),
    "open": Text("open", "开启"),
    "closed": Text("closed", "密闭"),
    "up": Text("up", "举起"),
    "down": Text("down", "落下"),
}
BESIDE = {"recorder_speed", "satellites"}
"""What is left out where somebody stands in one line: its speed is there already."""
UNITS = {"weight": "t", "recorder_speed": "km/h"}
BECAME: dict[tuple[str, Value], Text] = {
    ("load", "full"): Text("loaded", "装载"),
    ("load", "empty"): Text("load dumped: empty", "卸空"),
    ("cover", "closed"): Text("covered", "顶盖关闭"),
    ("cover", "open"): Text("cover opened", "顶盖开启"),
    ("lift", "up"): Text("lifted", "举升"),
    ("lift", "down"): Text("lowered", "放下"),
    ("acc", True): Text("ignition on", "点火"),
    ("acc", False): Text("ignition off", "熄火"),
}
"""What it is called when a state takes a value."""
STOPPED = Text("stands", "停车")
SILENT = Text("nothing heard", "无数据")
UNPLACED = Text("no position", "无定位")


def now_of(state: str, lang: Lang) -> Badge:
    """Return how somebody is shown who is in a state of `NOW`."""
    tone, shape, text = NOW[state]
    return Badge(tone, shape, text.into(lang))


def holds_of(state: str, lang: Lang) -> Badge:
    """Return how a thing is shown that holds, will hold, or has held."""
    tone, shape, text = HOLDS[state]
    return Badge(tone, shape, text.into(lang))


def state_name(name: str, lang: Lang) -> str:
    """Return what a state is called."""
    return STATES[name].into(lang) if name in STATES else name


def value_text(name: str, value: Value, lang: Lang) -> str:
    """Return a state's value in words."""
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool)):
        return f"{value:g} {UNITS.get(name, '')}".rstrip()
    return VALUES[value].into(lang) if value in VALUES else str(value)


def became(name: str, value: Value, lang: Lang) -> str:
    """Return what it is called that a state takes a value."""
    if (name, value) in BECAME:
        return BECAME[name, value].into(lang)
    return f"{state_name(name, lang)}{Text(': ', '：').into(lang)}{value_text(name, value, lang)}"


def states_text(states: Mapping[str, Value | None], lang: Lang) -> list[tuple[str, str]]:
    """Return the states that say something: what each is called and says. What is off, and alarms, are left out."""
    return [
        (state_name(name, lang), value_text(name, value, lang))
        for name, value in states.items()
        if value is not None and value is not False and name in STATES and name not in BESIDE
    ]
