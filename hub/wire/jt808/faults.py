"""What can be wrong with a frame: the closed list, with the clause that is broken, for people in both languages."""

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault in words, and the clause that it breaks; the letter in brackets says how well that is verified."""

    en: str
    zh: str
    clause: str


FAULTS: Mapping[str, Fault] = {
    # The frame.
    "no_frame": Fault("too short for a header and a checksum", "长度不足以容纳消息头和校验码", "2013, 4.4 [P]"),
    "delimiter": Fault("does not begin and end with 7E", "首尾不是标识位7E", "2013, 4.4.2 [P]"),
    "escape": Fault("7D is followed by neither 01 nor 02", "7D之后不是01或02", "2013, 4.4.2 [P]"),
    "mark": Fault("7E stands inside without its escape", "帧内7E未转义", "2013, 4.4.2 [P]"),
    "checksum": Fault("the checksum is wrong", "校验码错误", "2013, 4.4.4 [P]"),
    # The header.
    "length": Fault("the length is not that of the body", "消息体长度与实际不符", "2013, 4.4.3 [P]"),
    "version_flag": Fault("the flag of the edition is not that of the header", "版本标识与消息头不符", "2019 [S]"),
    "reserved": Fault("bit 15 of the properties is set", "消息体属性保留位15为1", "2013, 4.4.3 [P]"),
    "encrypted": Fault("the body is encrypted and cannot be read", "消息体已加密，无法读取", "2013, 4.4.3 [P]"),
    "phone": Fault("the terminal's number is not of digits", "终端手机号不是数字", "2013, 4.4.3 [P]"),
    "part": Fault("the part's number is not among the parts", "分包序号不在总包数之内", "2013, table 3 [P]"),
    # The body.
    "message_unknown": Fault("the message is none that is read here", "不是已支持的消息", "2013, annex A [P]"),
    "body_short": Fault("the body ends too early", "消息体过短", "2013, 8 [P]"),
    "body_long": Fault("more follows behind the body", "消息体之后有多余内容", "2013, 8 [P]"),
    "count": Fault("there are not as many parts as are said to be", "项数与所述个数不符", "2013, 8 [P]"),
    "text": Fault("a text is not GBK", "文本不是GBK编码", "2013, 4.2 [P]"),
    "time": Fault("a time is none", "时间无效", "2013, table 23 [P]"),
    # The position.
    "latitude": Fault("the latitude is beyond 90 degrees", "纬度超过90度", "2013, table 23 [P]"),
    "longitude": Fault("the longitude is beyond 180 degrees", "经度超过180度", "2013, table 23 [P]"),
    "negative": Fault("a coordinate is negative without its bit", "坐标为负数而非以状态位表示", "2013, table 25 [P]"),
    "direction": Fault("the direction is beyond 359 degrees", "方向超过359度", "2013, table 23 [P]"),
    "item_length": Fault("an item is not as long as it has to be", "附加信息长度与标准不符", "2013, table 27 [P]"),
    "item_twice": Fault("an item stands there twice", "附加信息重复", "2013, table 26 [P]"),
    "item_overrun": Fault(
        "an item overruns the body, or is none", "附加信息超出消息体或不是附加信息", "2013, table 26 [P]"
    ),
}
"""By code, in the order in which they are told."""

_ORDER = {code: number for number, code in enumerate(FAULTS)}


def ordered(faults: Collection[str]) -> tuple[str, ...]:
    """Return codes in the order of the list."""
    return tuple(sorted(faults, key=_ORDER.__getitem__))
