"""What a packet breaks of the standard, and which edition it is of."""

import re
from collections import Counter
from typing import Literal

from hub.wire.hj212.codes import (
    COMMANDS,
    FLAGS,
    FLAGS_2005,
    OF_2005,
    OF_2017,
    STATED,
    SYSTEMS,
    UPLOADS,
)
from hub.wire.hj212.packet import FIELDS, Item, Packet, moment
from hub.wire.hj212.readings import Name, parse_name

Edition = Literal[2005, 2017, 2025]

FIRST_OF_2025 = "20240101"
"""A frame of the 2025 edition is not older: its own examples are dated 2024-06 (S). Water stations sent its Flag in
2020 already, which proves nothing."""

_MN = re.compile(r"[0-9A-F]{24}\Z")
_MN_2005 = re.compile(r"[0-9A-Za-z]{14}\Z")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?\Z")
_WORDS = {name.upper(): name for name in (*FIELDS, "CP")}
_STATED = {name.upper() for name in STATED}
_VERSIONS: dict[int, Edition] = {0: 2005, 1: 2017, 2: 2025}
_DIGITS_QN, _DIGITS_TIME, _LONGEST_FLAG = 17, 14, 255


def edition_of(packet: Packet) -> Edition | None:
    """Return the edition that a packet is of, where its Flag, its factor codes and its time agree on one.

    The bits of Flag alone prove nothing: stations have sent a version before it existed, and codes of another one.
    """
    codes = {name.code for item in packet.items() if (name := parse_name(item.name)).kind}
    old = any(OF_2005.match(code) for code in codes)
    new = any(OF_2017.match(code) for code in codes)
    flag = packet.field("Flag")
    if flag is None:
        return 2005 if old and not new else None
    said = _VERSIONS.get(int(flag) >> 2) if flag.isascii() and flag.isdigit() else None
    if said is None or (said == 2005 and new) or (said != 2005 and old):
        return None
    return None if said == 2025 and _is_early(packet) else said


def _is_early(packet: Packet) -> bool:
    when = packet.field("QN") or packet.item("DataTime") or ""
    return when < FIRST_OF_2025


def faults_of(packet: Packet, *, readable: bool = True) -> set[str]:
    """Return the faults of a packet's fields and items. `readable`: its data area is in plain text."""
    faults = _of_fields(packet)
    if packet.data is None:
        faults.add("cp_missing")
        return faults
    if packet.opening != "&&":
        faults.add("cp_open")
    if packet.closing != "&&":
        faults.add("cp_close")
    elif packet.behind:
        faults.add("behind")
    if readable:
        faults |= _of_items(packet)
    return faults


def _of_fields(packet: Packet) -> set[str]:
    is_2005 = edition_of(packet) == 2005
    faults = _of_names(packet.fields)
    qn, cn, mn = (packet.field(name) for name in ("QN", "CN", "MN"))
    if qn is None:
        faults |= set() if is_2005 else {"qn_missing"}
    elif len(qn) != _DIGITS_QN or not _is_time(qn):
        faults.add("qn")
    if packet.field("ST") not in SYSTEMS:
        faults.add("st")
    if cn not in COMMANDS:
        faults.add("cn_unknown" if cn and re.fullmatch(r"[0-9]{4}", cn) else "cn")
    if len(packet.field("PW") or "") != len("123456"):
        faults.add("pw")
    if mn is None or not (_MN.match(mn) or (is_2005 and _MN_2005.match(mn))):
        faults.add("mn")
    return faults | _of_flag(packet, packet.field("Flag"), is_2005=is_2005)


def _of_names(fields: tuple[Item, ...]) -> set[str]:
    faults = set()
    for name, times in Counter(item.name.upper() for item in fields).items():
        if name not in _WORDS:
            faults.add("field_unknown")
        elif times > 1:
            faults.add("field_twice")
    for item in fields:
        if item.value is None:
            faults.add("field_form")
        elif item.name != _WORDS.get(item.name.upper(), item.name):
            faults.add("field_case")
    return faults


def _is_time(text: str) -> bool:
    return text.isdigit() and moment(text) is not None


def _of_flag(packet: Packet, flag: str | None, *, is_2005: bool) -> set[str]:
    pieces = packet.field("PNUM") is not None, packet.field("PNO") is not None
    if flag is None:
        # Parts were there in 2005 without a bit that says so.
        return ({"pnum"} if pieces[0] != pieces[1] else set()) | (set() if is_2005 else {"flag_missing"})
    if not (flag.isascii() and flag.isdigit()) or int(flag) > _LONGEST_FLAG:
        return {"flag"}
    faults = set()
    if int(flag) >> 2 not in _VERSIONS:
        faults.add("flag_edition")
    elif _VERSIONS[int(flag) >> 2] == 2025 and _is_early(packet):
        faults.add("flag_early")
    if pieces[0] != pieces[1] or pieces[0] != bool(int(flag) & 2):
        faults.add("pnum")
    return faults


def _of_items(packet: Packet) -> set[str]:
    faults: set[str] = set()
    is_2005 = edition_of(packet) == 2005
    seen: set[str] = set()
    groups: dict[str, int] = {}
    for number, group in enumerate(packet.data or ()):
        for item in group:
            faults |= _of_item(item, is_2005=is_2005)
            name = item.name.strip()
            # Items of commands may stand there several times, such as the hours of sampling.
            if name.upper() in seen and name.upper() not in _STATED:
                faults.add("item_twice")
            seen.add(name.upper())
            code = parse_name(name).code
            if code and groups.setdefault(code, number) != number:
                faults.add("item_apart")
        whose = {parse_name(item.name).code or item.name.strip().upper() for item in group}
        if len(whose) > 1 and (len(whose - _STATED) > 1 or "DATATIME" in whose):
            faults.add("item_apart")
    if packet.field("CN") in UPLOADS and packet.data:
        when = packet.item("DataTime")
        if when is None:
            faults |= set() if packet.item("BeginTime") else {"time_missing"}
        elif len(when) != _DIGITS_TIME or not _is_time(when):
            faults.add("time")
    return faults


def _of_item(item: Item, *, is_2005: bool) -> set[str]:
    if item.value is None:
        return {"item_form"} if item.name else {"item_empty"}
    name, value = item.name.strip(), item.value.strip()
    faults = {"item_space"} if (name, value) != (item.name, item.value) else set()
    if name.upper() == "FLAG":
        faults.add("letter_shared")
    if name.upper() in _STATED:
        return faults | (set() if name in STATED else {"item_case"})
    if "-" not in name:
        return faults | {"suffix_missing"}
    said = parse_name(name)
    faults |= _of_code(said, is_2005=is_2005)
    if said.suffix == "Flag" and value not in (FLAGS_2005 if is_2005 else FLAGS):
        faults.add("letter")
    elif said.kind and not _NUMBER.match(value):
        faults.add("value")
    return faults


def _of_code(said: Name, *, is_2005: bool) -> set[str]:
    faults = {"suffix_twice"} if said.doubled else set()
    if not said.suffix:
        faults.add("suffix")
    elif (said.wrote_code, said.wrote) != (said.code, said.suffix):
        faults.add("item_case")
    if OF_2005.match(said.code):
        return faults | (set() if is_2005 else {"code_2005"})
    return faults if OF_2017.match(said.code) or not said.suffix else faults | {"code"}
