"""What can be wrong with a frame: the closed list, with the clause that is broken, for people in both languages."""

from collections.abc import Mapping
from typing import NamedTuple


class Fault(NamedTuple):
    """A fault in words, and the clause that it breaks; the letter in brackets says how well that is verified."""

    en: str
    zh: str
    clause: str


FAULTS: Mapping[str, Fault] = {
    # The frame.
    "start": Fault("does not begin with ##", "不以##开头", "2017, table 2 [P]"),
    "ending": Fault("does not end with CR LF", "不以回车换行结尾", "2017, table 2 [P]"),
    "length_digits": Fault("the length is not four digits", "数据段长度不是4位数字", "2017, table 2 [P]"),
    "length_wrong": Fault("the length is not that of the segment", "数据段长度与实际不符", "2017, table 2 [P]"),
    "length_long": Fault("the segment has more than 1024 bytes", "数据段超过1024字节", "2017, table 2 [P]"),
    "crc_missing": Fault("there is no checksum", "缺少校验码", "2017, table 2 [P]"),
    "crc_digits": Fault("the checksum has fewer than four digits", "校验码不足4位", "2017, table 2 [P]"),
    "crc_modbus": Fault("the checksum is CRC-16/MODBUS", "校验码为CRC-16/MODBUS", "2017, appendix A [P]"),
    "crc_wrong": Fault("the checksum is wrong", "校验码错误", "2017, appendix A [P]"),
    "encrypted": Fault("the data area is encrypted and cannot be read", "数据区已加密，无法读取", "2025 [S]"),
    "encoding": Fault("the text is not UTF-8", "文本不是UTF-8编码", "2017, table 2 [P]"),
    # The fields.
    "qn_missing": Fault("QN is missing", "缺少QN", "2017, table 3 [P]"),
    "qn": Fault("QN is not a time of 17 digits", "QN不是17位时间", "2017, table 3 [P]"),
    "st": Fault("ST is missing or no system of the table", "ST缺失或不在编码表中", "2017, table 5 [P]"),
    "cn": Fault("CN is missing or not four digits", "CN缺失或不是4位数字", "2017, table 3 [P]"),
    "cn_unknown": Fault("CN is no known command", "CN不是已知命令", "2017, table 9 [P]; 2025 [S]"),
    "pw": Fault("PW is missing or not six characters", "PW缺失或不是6个字符", "2017, table 3 [P]"),
    "mn": Fault("MN is missing or not 24 digits 0-9, A-F", "MN缺失或不是24位0-9、A-F", "2017, table 3 [P]"),
    "flag_missing": Fault("Flag is missing", "缺少Flag", "2017, table 3 [P]"),
    "flag": Fault("Flag is not a number of 0 to 255", "Flag不是0至255的整数", "2017, table 3 [P]"),
    "flag_edition": Fault("Flag names an edition that there is not", "Flag中的版本号不存在", "2017, table 3 [P]"),
    "flag_early": Fault("Flag names an edition that there was not yet", "Flag中的版本当时尚未发布", "2025 [S]"),
    "pnum": Fault("PNUM and PNO do not agree with Flag", "PNUM、PNO与Flag不一致", "2017, table 3 [P]"),
    "field_case": Fault("a field's name is in other letters", "字段名大小写不符", "2017, 6.3.3 [P]"),
    "field_unknown": Fault("a field that the table does not have", "字段不在表中", "2017, table 3 [P]"),
    "field_twice": Fault("a field stands there twice", "字段重复", "2017, table 3 [P]"),
    "field_form": Fault("a field without =", "字段缺少等号", "2017, 6.3.3 [P]"),
    "cp_missing": Fault("CP is missing", "缺少CP", "2017, table 3 [P]"),
    "cp_open": Fault("CP does not begin with &&", "CP不以&&开头", "2017, table 3 [P]"),
    "cp_close": Fault("CP does not end with &&", "CP不以&&结尾", "2017, table 3 [P]"),
    "cp_long": Fault("CP has more than 950 bytes", "CP超过950字节", "2017, table 2 [P]"),
    "behind": Fault("something stands behind CP", "CP之后还有内容", "2017, table 3 [P]"),
    # The items of CP.
    "item_empty": Fault("an empty item, such as ; before &&", "空项，如&&前的分号", "2017, 6.3.3 [P]"),
    "item_form": Fault("an item without =", "数据项缺少等号", "2017, 6.3.3 [P]"),
    "item_space": Fault("blanks around a name", "名称前后有空格", "2017, 6.3.3 [P]"),
    "item_case": Fault("an item's name is in other letters", "数据项名称大小写不符", "2017, 6.3.3 [P]"),
    "item_twice": Fault("an item stands there twice", "数据项重复", "2017, 6.3.3 [P]"),
    "item_apart": Fault(
        "items of one factor apart, or of two together", "同一因子的数据项分隔符错误", "2017, 6.3.3 [P]"
    ),
    "suffix_twice": Fault("a suffix stands there twice", "后缀重复", "2017, table 4 [P]"),
    "suffix": Fault("a suffix that the table does not have", "后缀不在表中", "2017, table 4 [P]"),
    "suffix_missing": Fault("a value without a suffix", "数值缺少后缀", "2017, table 4 [P]"),
    "code_2005": Fault(
        "a factor code of 2005 in a later edition", "新版报文中使用2005版因子编码", "2017, table B.2 [P]"
    ),
    "code": Fault("a factor code of no edition", "因子编码不属于任何版本", "2017, table B.2 [P]"),
    "value": Fault("a value is not a number", "数值不是数字", "2017, table 4 [P]"),
    "letter": Fault("a letter that the table does not have", "数据标记不在表中", "2017, table 8 [P]"),
    "letter_shared": Fault("one letter for the whole frame", "整个报文共用一个数据标记", "2017, table 4 [P]"),
    "time_missing": Fault("DataTime is missing", "缺少DataTime", "2017, table 4 [P]"),
    "time": Fault("DataTime is not a time of 14 digits", "DataTime不是14位时间", "2017, table 4 [P]"),
}
"""By code, in the order in which they are told."""


def ordered(codes: set[str]) -> tuple[str, ...]:
    """Return codes in the order of the list."""
    return tuple(code for code in FAULTS if code in codes)
