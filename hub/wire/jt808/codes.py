"""The code tables of JT/T 808: messages, bits of alarm and status, additional items.

Letters: P the standard's own text (JT/T 808-2013), S a secondary source.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Message(NamedTuple):
    """A message: what it is, in both languages."""

    en: str
    zh: str


MESSAGES: Mapping[int, Message] = {
    0x0001: Message("answer of the terminal", "终端通用应答"),
    0x0002: Message("heartbeat", "终端心跳"),
    0x0003: Message("log-off", "终端注销"),
    0x0100: Message("registration", "终端注册"),
    0x0102: Message("authentication", "终端鉴权"),
    0x0200: Message("position", "位置信息汇报"),
    0x0201: Message("position asked for", "位置信息查询应答"),
    0x0701: Message("electronic waybill", "电子运单上报"),
    0x0702: Message("driver's card", "驾驶员身份信息采集上报"),
    0x0704: Message("positions", "定位数据批量上传"),
    0x8001: Message("answer of the hub", "数据中心通用应答"),
    0x8003: Message("request for missing parts", "补传分包请求"),
    0x8100: Message("answer to a registration", "终端注册应答"),
    0x8103: Message("set parameters", "设置终端参数"),
    0x8104: Message("get parameters", "查询终端参数"),
    0x8300: Message("text", "文本信息下发"),
}
"""Those whose body is read (P). Others pass through as bytes, named unknown."""

ALARMS = (
    "emergency",
    "overspeed",
    "fatigue",
    "danger",
    "gnss_fault",
    "antenna_open",
    "antenna_short",
    "undervoltage",
    "power_lost",
    "display_fault",
    "tts_fault",
    "camera_fault",
    "card_fault",
    "overspeed_warning",
    "fatigue_warning",
    "bit_15",
    "bit_16",
    "bit_17",
    "driving_too_long",
    "parked_too_long",
    "area",
    "route",
    "section_time",
    "route_left",
    "vss_fault",
    "fuel",
    "stolen",
    "illegal_ignition",
    "illegal_move",
    "collision",
    "rollover",
    "illegal_door",
)
"""Bits of the alarm field, the lowest first (2013, table 24: P). Most stay set until their condition ends."""

ACC, FIXED, SOUTH, WEST, SHIFTED = 1 << 0, 1 << 1, 1 << 2, 1 << 3, 1 << 5
"""Bits of the status that say what a position is worth (2013, table 25: P). SHIFTED: the coordinates are encrypted."""
STATUS: Mapping[int, str] = {
    0: "acc",
    1: "fixed",
    2: "south",
    3: "west",
    4: "out_of_service",
    5: "coordinates_encrypted",
    10: "fuel_cut",
    11: "circuit_cut",
    12: "locked",
    13: "door_1",
    14: "door_2",
    15: "door_3",
    16: "door_4",
    17: "door_5",
    18: "gps",
    19: "beidou",
    20: "glonass",
    21: "galileo",
}
"""Bits of the status with a name (2013, table 25: P). Vendors of muck trucks use those from 22 on as they like."""
LOAD = ("empty", "half", "reserved", "full")
"""Bits 8 and 9 of the status, as a number (2013, table 25: P); entered by hand, or from a sensor."""


class Known(NamedTuple):
    """An additional item: its name, its bytes (none: it varies), by what its number is multiplied, its unit."""

    name: str
    sizes: tuple[int, ...] = ()
    factor: float | None = None
    unit: str | None = None


ITEMS: Mapping[int, Known] = {
    0x01: Known("mileage", (4,), 0.1, "km"),
    0x02: Known("fuel", (2,), 0.1, "L"),
    0x03: Known("recorder_speed", (2,), 0.1, "km/h"),
    0x04: Known("alarm_event", (2,), 1),
    0x05: Known("tyre_pressure"),
    0x06: Known("carriage_temperature"),
    0x11: Known("overspeed", (1, 5)),
    0x12: Known("area", (6,)),
    0x13: Known("section_time", (7,)),
    0x25: Known("signals", (4,), 1),
    0x2A: Known("io", (2,), 1),
    0x2B: Known("analogue", (4,), 1),
    0x30: Known("signal_strength", (1,), 1),
    0x31: Known("satellites", (1,), 1),
    0xE0: Known("custom_length"),
}
"""Additional items (2013, table 27: P; 05 and 06: 2019, S). E1 to FF are vendors' own; vendors use others, too."""
