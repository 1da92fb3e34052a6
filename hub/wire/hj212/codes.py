"""The code tables of HJ 212: systems (ST), commands (CN), factors, and the letters behind values.

Letters say how well an entry is verified: P the standard's own text, S a secondary source, U nobody's.
Sources: HJ 212-2017 tables 5, 8, 9, B.2, B.3 (P); HJ 212-2025 (S); HJ/T 212-2005 (S).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple


class Command(NamedTuple):
    """A command or answer: what it is, in both languages, and the first edition that has it."""

    en: str
    zh: str
    edition: int = 2017


SYSTEMS: Mapping[str, tuple[str, str]] = {
    "21": ("surface water", "地表水质量监测"),
    "22": ("ambient air", "空气质量监测"),
    "23": ("acoustic environment", "声环境质量监测"),
    "24": ("groundwater", "地下水质量监测"),
    "25": ("soil", "土壤质量监测"),
    "26": ("sea water", "海水质量监测"),
    "27": ("volatile organic compounds", "挥发性有机物监测"),
    "31": ("stack", "大气环境污染源"),
    "32": ("waste water", "地表水体环境污染源"),
    "33": ("groundwater source", "地下水体环境污染源"),
    "34": ("sea source", "海洋环境污染源"),
    "35": ("soil source", "土壤环境污染源"),
    "36": ("noise source", "声环境污染源"),
    "37": ("vibration source", "振动环境污染源"),
    "38": ("radiation source", "放射性环境污染源"),
    "39": ("construction dust", "工地扬尘污染源"),
    "41": ("electromagnetic source", "电磁环境污染源"),
    "44": ("electricity use", "用电监控"),
    "45": ("key production conditions", "关键工况"),
    "51": ("flue gas process", "烟气排放过程监控"),
    "52": ("sewage process", "污水排放过程监控"),
    "91": ("system interaction", "系统交互"),
}
"""ST. 44 and 45: 2025 (S)."""

COMMANDS: Mapping[str, Command] = {
    "1000": Command("set time-out and retries", "设置超时时间及重发次数"),
    "1001": Command("set alarm time-out", "设置告警时间", 2005),
    "1002": Command("set (2025)", "设置类命令（2025）", 2025),
    "1011": Command("get the station's time", "提取现场机时间"),
    "1012": Command("set the station's time", "设置现场机时间"),
    "1013": Command("station asks for the time", "现场机时间校准请求"),
    "1014": Command("new key", "更新密钥", 2025),
    "1061": Command("get the interval of real-time data", "提取实时数据间隔"),
    "1062": Command("set the interval of real-time data", "设置实时数据间隔"),
    "1063": Command("get the interval of minute data", "提取分钟数据间隔"),
    "1064": Command("set the interval of minute data", "设置分钟数据间隔"),
    "1072": Command("change the password", "设置现场机密码"),
    "2011": Command("real-time data", "实时数据"),
    "2012": Command("stop real-time data", "停止察看实时数据"),
    "2013": Command("raw data", "原始数据", 2025),
    "2021": Command("device states", "设备运行状态"),
    "2022": Command("stop device states", "停止察看设备运行状态"),
    "2031": Command("day data", "日历史数据"),
    "2041": Command("running time of devices by day", "设备运行时间日历史数据"),
    "2051": Command("minute data", "分钟数据"),
    "2052": Command("single noise measurement", "噪声单次测量数据", 2025),
    "2061": Command("hour data", "小时数据"),
    "2062": Command("check against a standard", "标样核查数据", 2025),
    "2081": Command("the logger has started", "数采仪开机时间"),
    "2111": Command("5-minute means of a furnace", "炉膛温度5分钟均值数据", 2025),
    "3011": Command("calibrate zero and span", "零点校准量程校准"),
    "3012": Command("sample at once", "即时采样"),
    "3013": Command("clean or purge", "启动清洗/反吹"),
    "3014": Command("comparison sample", "比对采样"),
    "3015": Command("sample kept above the limit", "超标留样"),
    "3016": Command("set the sampling period", "设置采样时间周期"),
    "3017": Command("get the sampling period", "提取采样时间周期"),
    "3018": Command("get the time of sampling", "提取出样时间"),
    "3019": Command("get the device's unique id", "提取设备唯一标识"),
    "3020": Command("get what the station knows of itself", "提取现场机信息"),
    "3021": Command("set a parameter of the station", "设置现场机参数"),
    "3022": Command("state of a measurement (2025)", "现场端状态信息（2025）", 2025),
    "3024": Command("check (2025)", "现场端核查（2025）", 2025),
    "9011": Command("request heard", "请求应答"),
    "9012": Command("result of a command", "执行结果"),
    "9013": Command("notice heard", "通知应答"),
    "9014": Command("data heard", "数据应答"),
    "9015": Command("heartbeat", "心跳", 2025),
    "9021": Command("sign-in", "登录注册", 2005),
}
"""CN. 2017 from table 9 (P), 2025 (S), 2005 (S). What is not here passes through, named unknown."""

UPLOADS = frozenset({"2011", "2013", "2021", "2031", "2041", "2051", "2052", "2061", "2062", "2111"})
"""Commands under which a station sends data of a time, which DataTime names (2017, table 4: P; 2025: S)."""
SECRET = frozenset({"1014", "3020", *(str(number) for number in range(2000, 3000))})
"""Commands whose data area the 2025 edition encrypts (S)."""


class Factor(NamedTuple):
    """A factor: its names, and the unit of its concentration or value, as people write it.

    `unit` is None where stations do not agree: particles are in ng/m3 by the 2017 table (P), and in ug/m3 and mg/m3 in
    the field. There the station's profile says it.
    """

    en: str
    zh: str
    unit: str | None


FACTORS: Mapping[str, Factor] = {
    "a34013": Factor("particulate matter (stack)", "烟尘", "mg/m3"),
    "a21026": Factor("sulfur dioxide", "二氧化硫", "mg/m3"),
    "a21002": Factor("nitrogen oxides", "氮氧化物", "mg/m3"),
    "a21003": Factor("nitric oxide", "一氧化氮", "mg/m3"),
    "a21004": Factor("nitrogen dioxide", "二氧化氮", "mg/m3"),
    "a21005": Factor("carbon monoxide", "一氧化碳", "mg/m3"),
    "a24088": Factor("non-methane hydrocarbons", "非甲烷总烃", "mg/m3"),
    "a24087": Factor("hydrocarbons", "碳氢化合物", "mg/m3"),
    "a05002": Factor("methane", "甲烷", "ng/m3"),
    "a05024": Factor("ozone", "臭氧", None),
    "a19001": Factor("oxygen", "氧气含量", "%"),
    "a00000": Factor("flow of waste gas", "废气流量", "m3/s"),
    "a01001": Factor("temperature", "温度", "℃"),
    "a01002": Factor("humidity", "湿度", "%"),
    "a01006": Factor("air pressure", "气压", "kPa"),
    "a01007": Factor("wind speed", "风速", "m/s"),
    "a01008": Factor("wind direction", "风向", "°"),
    "a01011": Factor("flue gas velocity", "烟气流速", "m/s"),
    "a01012": Factor("flue gas temperature", "烟气温度", "℃"),
    "a01013": Factor("flue gas pressure", "烟气压力", "kPa"),
    "a01014": Factor("flue gas moisture", "烟气湿度", "%"),
    "a01017": Factor("dynamic pressure of flue gas", "烟气动压", "kPa"),
    "a34001": Factor("total suspended particles", "总悬浮颗粒物", None),
    "a34002": Factor("PM10", "可吸入颗粒物", None),
    "a34004": Factor("PM2.5", "细微颗粒物", None),
    "a34005": Factor("PM1", "亚微米颗粒物", None),
    "a34011": Factor("dustfall", "降尘", "t/(km2·month)"),
    "LA": Factor("A-weighted level", "A计权声级", "dB"),
    "Leq": Factor("equivalent continuous level", "等效声级", "dB"),
    "LMx": Factor("highest level", "最大瞬时声级", "dB"),
    "LMn": Factor("lowest level", "最小瞬时声级", "dB"),
    "L5": Factor("level exceeded 5 % of the time", "累计百分声级L5", "dB"),
    "L10": Factor("level exceeded 10 % of the time", "累计百分声级L10", "dB"),
    "L50": Factor("level exceeded 50 % of the time", "累计百分声级L50", "dB"),
    "L90": Factor("level exceeded 90 % of the time", "累计百分声级L90", "dB"),
    "L95": Factor("level exceeded 95 % of the time", "累计百分声级L95", "dB"),
    "Ldn": Factor("day-night level", "昼夜等效声级", "dB"),
    "Ld": Factor("day level", "昼间等效声级", "dB"),
    "Ln": Factor("night level", "夜间等效声级", "dB"),
}
"""Factors of 2017 tables B.2 and B.3 (P) that this product knows. a05024 is of HJ 524 and in no table of 2017 (U)."""

SUCCESSORS: Mapping[str, str] = {
    "01": "a34013",
    "02": "a21026",
    "03": "a21002",
    "04": "a21005",
    "S01": "a19001",
    "B02": "a00000",
}
"""Factors of 2005 that have another code since 2017 (P)."""

OF_2005 = re.compile(r"(?:\d{2,3}|[BS]\d{2})\Z")
"""A factor code of 2005: two or three digits, or B or S with two."""
OF_2017 = re.compile(r"(?:[aegiklmnpsw]\d{5}|L(?:A|eq|Mx|Mn|dn|d|n|5|10|50|90|95)|SB\d{1,3})\Z")
"""A factor code since 2017: a letter (a air, w water, l position, e, g, i equipment and state, ...) and five digits,
a level of noise, or a device of treatment (the letters beside a and w: S)."""

FLAGS = frozenset("NFMSDCTB")
"""Letters behind a value (2017, table 8: P): normal, stopped, maintenance, set by hand, faulty, calibrating, over
range, no communication."""
FLAGS_2005 = frozenset("PFCMTDSN0123")
"""The same in 2005, where P is a power failure, and air stations use digits (U)."""

STATED = frozenset(
    [
        "DataTime",
        "RestartTime",
        "SystemTime",
        "BeginTime",
        "EndTime",
        "QN",
        "QnRtn",
        "ExeRtn",
        "OverTime",
        "ReCount",
        "RtdInterval",
        "MinInterval",
        "PolId",
        "NewPW",
        "PW",
        "VaseNo",
        "CstartTime",
        "Ctime",
        "CTime",
        "Stime",
        "InfoId",
        "WarnTime",
        "AlarmTarget",
        "ReportTime",
        "Flag",
        "RF",
    ]
)
"""Items of the data area that are no values of factors (2017, table 4: P; some of 2005: S)."""
