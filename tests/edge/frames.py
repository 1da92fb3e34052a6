"""Frames of dust sensors with their known values, for the tests of their drivers; repetitions are left out.

"captured": sent by real sensors, from github.com/avaldebe/PyPMS, tests/captured_data/data.csv (MIT, (c) 2019 Alvaro
Valdebenito; the licence's text is in tests/data/ORIGIN.md); the values are those that PyPMS's own tests expect. The
others are single frames printed in the documents named, or in tests of github.com/mwuertinger/sds011,
michelepagot/pysds011 and avaldebe/PyPMS: facts, no licence needed.
"""

# PMSx003, captured: PM1, PM2.5, PM10 with CF=1; the same atmospheric, ug/m3.
PMSX003 = (
    ("424d001c00000008000800000008000800d20046002d001e00000000970002c5", (0, 8, 8), (0, 8, 8)),
    ("424d001c00000007000700000007000700d20046002d001e00000000970002c1", (0, 7, 7), (0, 7, 7)),
    ("424d001c00000007000700000007000700bd003f002a001b000000009700029f", (0, 7, 7), (0, 7, 7)),
    ("424d001c00000007000700000007000700b4003c00270018000000009700028d", (0, 7, 7), (0, 7, 7)),
    ("424d001c00000006000600000006000600b4003c001d0015000000009700027c", (0, 6, 6), (0, 6, 6)),
    ("424d001c000000060006000000060006009f0035001a0012000000009700025a", (0, 6, 6), (0, 6, 6)),
    ("424d001c000000050005000000050005008a002e0017000f0000000097000234", (0, 5, 5), (0, 5, 5)),
)

# PMS3003, captured: PM1, PM2.5, PM10 with CF=1; the same atmospheric, ug/m3.
PMS3003 = (
    ("424d001400000000000000000000000000000000005100f4", (0, 0, 0), (0, 0, 0)),
    ("424d001400010001000100010001000100000000005100fa", (1, 1, 1), (1, 1, 1)),
)

# PMS5003T, captured: the same, and temperature in degrees Celsius, relative humidity in %.
PMS5003T = (
    ("424d001c001700270029001600230029100804a90116000c00d400e09a0004aa", (23, 39, 41), (22, 35, 41), 21.2, 22.4),
    ("424d001c0015002400240014002100240dc8041f00e4000e00d400e09a000599", (21, 36, 36), (20, 33, 36), 21.2, 22.4),
    ("424d001c0015002500260014002200260f00046600fa001600d400e09a00053e", (21, 37, 38), (20, 34, 38), 21.2, 22.4),
    ("424d001c00140023002a00130020002a0ea604370106001e00d400df9a0004ca", (20, 35, 42), (19, 32, 42), 21.2, 22.3),
    ("424d001c0017002600260016002300260ee80462011e000e00d400e09a000544", (23, 38, 38), (22, 35, 38), 21.2, 22.4),
    ("424d001c0016002500270015002200270efd045a0120001400d400df9a000556", (22, 37, 39), (21, 34, 39), 21.2, 22.3),
    ("424d001c00160024002a00150021002a0eaf0456011a001600d400df9a000504", (22, 36, 42), (21, 33, 42), 21.2, 22.3),
    ("424d001c00170025002d00160022002d0efd046f0124001600d500de9a00057f", (23, 37, 45), (22, 34, 45), 21.3, 22.2),
    ("424d001c00150023002c00140020002c0eca045a011e001800d500de9a000529", (21, 35, 44), (20, 32, 44), 21.3, 22.2),
    ("424d001c00140022002b00130020002b0e1304140110001e00d500df9a000420", (20, 34, 43), (19, 32, 43), 21.3, 22.3),
)

# SDS011, captured, and one of mwuertinger/sds011: PM2.5, PM10 in ug/m3.
SDS011 = (
    ("aac00600060058d93dab", 0.6, 0.6),
    ("aac00900090058d943ab", 0.9, 0.9),
    ("aac00800080058d941ab", 0.8, 0.8),
    ("aac0d4043a0aa1601dab", 123.6, 261.8),
)

# SDS011: answers to commands.
SDS011_ANSWERS = (
    ("aac508010100a1600bab", "set working period 1 min"),
    ("aac506010000a16008ab", "sleep"),
    ("aac506010100a16009ab", "wake"),
)

# SDS011: what must be refused.
SDS011_BAD = (
    ("aac0d4041dab", "short frame"),
    ("aac0d4043a0aa1601daa", "wrong tail"),
)

# SDS011: commands.
SDS011_COMMANDS = (
    ("aab406010000000000000000000000a16008ab", "sleep, device A160"),
    ("aab406010100000000000000000000a16009ab", "wake, device A160"),
    ("aab404000000000000000000000000ffff02ab", "query data"),
    ("aab402010100000000000000000000ffff02ab", "set query mode"),
    ("aab402010000000000000000000000ffff01ab", "set active mode"),
)

# SDS198, captured: PM100 in ug/m3.
SDS198 = (
    ("aacf0e001000e9050cab", 16),
    ("aacf0e001300e9050fab", 19),
    ("aacf0c001600e90510ab", 22),
    ("aacf0c001a00e90514ab", 26),
    ("aacf0b001400e9050dab", 20),
    ("aacf06010100e905f6ab", 1),
)

# Plantower: commands (PMS7003 manual V2.5, appendix II).
PLANTOWER_COMMANDS = (
    ("424de200000171", "passive read"),
    ("424de100000170", "set passive"),
    ("424de100010171", "set active"),
    ("424de400000173", "sleep"),
    ("424de400010174", "wake"),
)

# SPS30, captured: PM1, PM2.5, PM10 in ug/m3.
SPS30 = (
    (
        "7e0003002840a78320411777bb414a5f8341548ddd41d2833e427d33fc85422617224229a4d9422a29bc3f55b7e79e7e",
        5.235,
        9.467,
        13.285,
    ),
    (
        "7e0003002840b9c67f41036c8b411e4ae24123aa92420c5b7c422efdba4238cab3423ab2c9423afde93f4a1025d67e",
        5.805,
        8.214,
        10.229,
    ),
    (
        "7e0003002840df03da417d3162ae41279e32412c107d5e42307d5ed34255c04c425e0908425fa28a425fe4433f40fa1fff7e",
        6.969,
        9.087,
        10.754,
    ),
    (
        "7e0003002840fa9fee411e6a7d3341336081413791cd42498ec84271b11842799ab4427b201b427b60213f3ca4c4877e",
        7.832,
        9.901,
        11.473,
    ),
    (
        "7e0003002841051c4c41278b14413d385941418e354256926c4280797c4284931242855cb242857d5dfb3f3e67ea317e",
        8.319,
        10.471,
        12.097,
    ),
    (
        "7e0003002841039f9e41237d5e0b413729dc413b18f84255954a427d5eba0042831c734283d44c4283f3103f3e0079767e",
        8.226,
        10.218,
        11.694,
    ),
    (
        "7e000300284106b1474126097d5d41392419413cf637425b61d64282857742862dad4286e0ca4286ff033f3d19e55b7e",
        8.418,
        10.377,
        11.81,
    ),
    (
        "7e000300284107d46141261c2a41384ccf413bf01a425e17d04283d221428752704287fd9742881ac23f3e47c7387e",
        8.489,
        10.382,
        11.746,
    ),
    (
        "7e00030028410c4387412b1eda413d921e414142bc42659c1042882f76428bbe32428c6c00428c89b83f3e5a83897e",
        8.766,
        10.695,
        12.079,
    ),
    (
        "7e0003002841079fe54124a7bf4135d7db413947db425e89354283cd07428720a74287c2f84287dee93f3dbea6ff7e",
        8.477,
        10.291,
        11.58,
    ),
)

# SPS30: other answers (data sheet, section 5.3).
SPS30_ANSWERS = (
    ("7e00000000ff7e", "empty reply"),
    ("7e00010000fe7e", "empty reply"),
    ("7e00030000fc7e", "no new data"),
    ("7e00d000153030303030303030303030303030303030303030005a7e", "serial number reply"),
    (
        "7e0003002800000000000000000000000000000000000000000000000000000000000000000000000000000000d47e",
        "all-zero float reply",
    ),
)

# SPS30: commands (data sheet, section 5.3).
SPS30_COMMANDS = (
    ("7e0000020103f97e", "start measurement, float"),
    ("7e000100fe7e", "stop measurement"),
    ("7e000300fc7e", "read values"),
    ("7e001000ef7e", "sleep"),
    ("7e001100ee7e", "wake-up (datasheet prints 0x11 unstuffed)"),
    ("7e005600a97e", "start fan cleaning"),
    ("7e008001007d5e7e", "read auto cleaning interval (checksum 7E is stuffed)"),
    ("7e00d001032b7e", "device information: serial"),
)

# ZH06, by itself and when asked (ZH06 manual): PM1, PM2.5, PM10 in ug/m3.
WINSEN = (
    ("424d001c0054006e007c0054006e007c00000000000000000000000000000327", 84, 110, 124),
    ("ff86008500960065fa", 101, 133, 150),
    ("ff86004700c7030f5a", 783, 71, 199),
)

# ZH06: answers to commands.
WINSEN_ANSWERS = (("ffa701000000000058", "ok"),)

# ZH06: commands.
WINSEN_COMMANDS = (
    ("ff0186000000000079", "read"),
    ("ff0178410000000046", "set Q&A"),
    ("ff0178400000000047", "set initiative upload"),
    ("ff01a7010000000057", "sleep"),
)

# Winsen's answer layout (an MH-Z19B's): what must be refused.
WINSEN_BAD = (("ff8601f40000000084", "wrong checksum"),)
