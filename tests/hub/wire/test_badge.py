"""The watch protocol: recorded frames (traccar's tests, Apache-2.0), streams in any pieces, what cannot be read."""

import datetime as dt
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.wire.badge.frame import Piece, Splitter, calls_for_help, read_frame, read_position
from hub.wire.badge.logged import Head, decode, identity, identity_of, meaning, pack, withheld
from hub.wire.said import Moment, Observed

UD2 = b"[3G*9031853319*004E*UD2,220322,055105,A,22.761162,N,114.360192,E,0,0,47,14,100,64,0,0,00000008,0,0]"
SOS = (
    b"[3G*8809008845*00C0*AL,271219,094744,V,00.000000,N, 0.0000000,E,0.00,0.0,0.0,0,100,81,0,0,00010000,7,0,460,0,"
    b"9336,3981,141,9336,3912,141,9336,3982,140,9765,4233,134,9765,4071,134,9765,4321,134,9336,4353,132,0,0.0]"
)
SHORTER = b"[SG*9059056143*0053*UD,251021,223408,A,41.46500,N,081.53128,W,0.926,000,0,00,70,70,0,50,00000000,0,1,,,,00]"
REMOVED = (
    b"[ZJ*014111001332708*0075*0064*AL,040418,052156,A,22.536207,N,113.938673,E,0,0,0,5,100,82,1000,50,00100000,1,255,"
    b"460,0,9340,3663,35]"
)
PULSE, HEAT = b"[3G*4700609403*0013*bphrt,120,79,73,,,,]", b"[3G*2104326058*000E*btemp2,1,35.29]"
BEAT = b"[3G*8809008845*000D*LK,50,100,100]"
RECORDED = (UD2, SOS, SHORTER, REMOVED, PULSE, HEAT)


def unix(text):
    return int(dt.datetime.fromisoformat(f"{text}+00:00").timestamp())


@pytest.mark.parametrize("raw", RECORDED)
def test_recorded_frames_are_read_and_one_has_another_length_than_it_says(raw):
    frame = read_frame(raw)
    assert frame.exact == (raw != SHORTER)
    assert raw.endswith(frame.content + b"]")


@pytest.mark.parametrize(
    ("raw", "t", "lat", "lon", "speed", "battery", "steps", "set_"),
    [
        (UD2, "2022-03-22T05:51:05", 22.761162, 114.360192, 0.0, 64, 0, ()),
        (SOS, "2019-12-27T09:47:44", None, None, 0.0, 81, 0, (16,)),
        (SHORTER, "2021-10-25T22:34:08", 41.465, -81.53128, 0.926, 70, 0, ()),
        (REMOVED, "2018-04-04T05:21:56", 22.536207, 113.938673, 0.0, 82, 1000, (20,)),
    ],
    ids=["stored", "sos", "west", "removed"],
)
def test_positions(raw, t, lat, lon, speed, battery, steps, set_):
    said = read_position(read_frame(raw))
    assert said[:6] == (unix(t), lat, lon, speed, battery, steps)
    assert [bit for bit in (0, 14, 16, 17, 20, 21, 22) if said.bit(bit)] == list(set_)


def test_an_sos_without_a_fix_is_one_and_a_watch_that_was_taken_off_is_told():
    assert [calls_for_help(read_frame(raw)) for raw in RECORDED] == [False, True, False, False, False, False]
    t = unix("2019-12-27T09:47:44")
    (moment,) = meaning(Head(came=t + 2), read_frame(SOS)).moments
    assert (moment.t, moment.lat, moment.states["sos"], moment.states["worn"]) == (t, None, True, True)
    (taken_off,) = meaning(Head(), read_frame(REMOVED)).moments
    assert taken_off.states == {
        "sos": False, "worn": False, "fell": False, "battery_low": False, "battery": 82, "steps": 1000,
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        "AL",
        "AL,271219",
        "AL,999999,094744,V,,,,,,,,,,,,,00010000",
        "AL,271219,094744,A,200,N,500,E,0,0,0,0,0,0,0,0,00010000",
        "UD,xx,yy,A,1,N,1,E,0,0,0,0,0,0,0,0,00010000",
        "AL,271219,094744,A,1,N,1,E,0,0,0,0,0,0,0,0,zz",
        "AL,010100,000000,V,0,N,0,E,0,0,0,0,0,0,0,0,00010000",
    ],
)
def test_an_sos_is_one_whatever_else_is_wrong_with_it(content):
    frame = read_frame(f"[3G*8809008845*{len(content):04X}*{content}]".encode())
    assert calls_for_help(frame)
    assert meaning(Head(came=77), frame).moments[0].states["sos"] is True
    assert meaning(Head(came=77), frame).moments[0].t == 77


def test_answers():
    assert read_frame(SOS).reply("AL") == b"[3G*8809008845*0002*AL]"
    assert read_frame(BEAT).reply("LK") == b"[3G*8809008845*0002*LK]"
    assert read_frame(REMOVED).reply("AL") == b"[ZJ*014111001332708*0075*0002*AL]"


@pytest.mark.parametrize(
    "raw",
    [b"", b"[]", b"[3G*12*0002*LK]", b"[3G*8809008845*2*LK]", b"[3G*8809008845*0002*LK", b"(3G*8809008845*0002*LK)"],
)
def test_what_is_no_frame(raw):
    assert read_frame(raw) is None


@given(st.randoms(use_true_random=False))
def test_a_stream_is_cut_into_the_same_frames_in_whatever_pieces_it_comes(dice):
    noise = [b"\r\n", b"noise", b"]]", b"[3G*88", b""]
    parts = [part for raw in RECORDED for part in (dice.choice(noise), raw)]
    stream = b"".join(parts)
    splitter, found, at = Splitter(), [], 0
    while at < len(stream):
        size = dice.randint(1, 200)
        found += splitter.feed(stream[at : at + size])
        at += size
    found += splitter.rest()
    assert b"".join(piece.raw for piece in found) == stream, "nothing that came is left out"
    assert [piece.raw for piece in found if not piece.junk] == list(RECORDED)


@given(st.binary(max_size=300))
def test_whatever_comes_is_read_or_refused(noise):
    splitter = Splitter()
    pieces = splitter.feed(noise) + splitter.rest()
    assert b"".join(piece.raw for piece in pieces) == noise
    for piece in pieces:
        frame = read_frame(piece.raw)
        if frame is not None:
            calls_for_help(frame)
            identity_of(frame)
    for at in range(0, len(SOS), 7):
        frame = read_frame(SOS[:at] + noise.replace(b"]", b"") + SOS[at + len(noise) :])
        if frame is not None and calls_for_help(frame):
            assert meaning(Head(came=5), frame).moments[0].states["sos"] is True


def test_what_never_ends_does_not_stay():
    splitter = Splitter()
    assert splitter.feed(b"[" + b"x" * 5000) == [Piece(b"[" + b"x" * 5000, junk=True)]
    assert splitter.waiting == 0


def test_a_position_that_comes_again_is_the_same_whichever_command_it_comes_with():
    again = UD2.replace(b"UD2", b"UD").replace(b"004E", b"004D")
    assert identity(pack(Head(), UD2)) == identity(pack(Head(), again))
    help_ = again.replace(b"00000008", b"00010008")
    assert identity(pack(Head(), help_))[0] == identity(pack(Head(), UD2))[0]
    assert identity(pack(Head(), help_))[1] != identity(pack(Head(), UD2))[1]
    t = unix("2019-12-27T09:47:44")
    repeated = {identity(pack(Head(came=t + n), SOS)) for n in (1, 9, 200)}
    assert len(repeated) == 1, "it is repeated until it is heard"
    late = {identity(pack(Head(came=t + n), SOS))[0] for n in (86_400, 2 * 86_400)}
    assert len(late) == 2, "its clock stands still: it may be another call"
    assert identity(pack(Head(came=1), PULSE))[0] != identity(pack(Head(came=2), PULSE))[0]


def test_of_what_may_not_be_kept_a_digest_remains_and_nothing_else():
    logged = withheld(UD2, b"secret")
    assert logged == b'{"digest":"' + hmac.new(b"secret", UD2, hashlib.sha256).hexdigest().encode() + b'"}\n'
    assert logged != withheld(UD2, b"another hub's"), "nobody finds it by trying what a badge may say"
    plain = pack(Head(hashlib.sha256(UD2).hexdigest()))
    assert (decode(plain), len(identity(plain)[0])) == (Observed([]), 32), "as earlier versions kept it"
    assert decode(logged) == Observed([])
    assert identity(logged) == identity(withheld(UD2, b"secret"))
    assert identity(logged)[0] != identity(withheld(SHORTER, b"secret"))[0]
    assert decode(pack(Head(), PULSE)) == Observed([])
    assert decode(pack(Head(), UD2)).moments[0] == Moment(
        unix("2022-03-22T05:51:05"), 22.761162, 114.360192, 15.0, 0.0,
        {"sos": False, "worn": True, "fell": False, "battery_low": False, "battery": 64, "steps": 0},
    )  # fmt: skip
