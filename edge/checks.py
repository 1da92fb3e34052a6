"""What is wrong with a calibration, a relay's rule or a desired configuration, as a sentence, or None.

A module of its own, loaded when one comes: it is large, and a board has better uses for its heap.
"""

from edge.borrow import borrow

QUANTITIES = borrow("quantities").QUANTITIES

INTERVALS = (1, 2, 5, 10, 15, 20, 30, 60)  # s: divisors of a minute


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e9  # NaN is not


def _are_points(value):
    if not isinstance(value, list) or not value:
        return False
    for point in value:
        if not isinstance(point, list) or len(point) != 2 or not _is_number(point[0]) or not _is_number(point[1]):
            return False
    raw = [point[0] for point in value]
    return raw == sorted(set(raw))


def calibration(content):
    """Return what is wrong with a calibration's content, as a sentence, or None."""
    if not isinstance(content, dict):
        return "calibration: expected an object"
    id_ = content.get("id")
    if not isinstance(id_, int) or isinstance(id_, bool) or not 0 <= id_ < 1 << 53:
        return "id: expected a whole number, 0 or more"
    if not isinstance(content.get("due", ""), str):
        return "due: expected the date of the next calibration, YYYY-MM-DD"
    if not isinstance(content.get("channels"), dict):
        return "channels: expected an object"
    if id_ == 0 and content["channels"]:
        return "id: 0 says that nothing is corrected; expected 1 or more"
    known = [channel for row in QUANTITIES.values() for channel in row[0]]
    for channel, how in content["channels"].items():
        if channel not in known:
            return "%s: no sensor gives this channel" % channel
        wrong = _wrong_correction(how)
        if wrong:
            return "%s: %s" % (channel, wrong)
    return None


def _wrong_correction(how):
    if not isinstance(how, dict):
        return "expected an object"
    for key, value in how.items():
        if key == "points":
            if not _are_points(value):
                return "points: expected pairs of numbers with rising raw values"
        elif key not in ("gain", "offset", "kappa") or not _is_number(value) or (key == "kappa" and value < 0):
            return "%s: expected a number, as gain, offset or kappa (0 or more), or points" % key
    return None


def relay(rule):
    """Return what is wrong with a rule, as a sentence, or None."""
    if not isinstance(rule, dict):
        return "relay: expected an object"
    for key in rule:
        if key not in ("quantity", "on", "off", "least", "most"):
            return "relay: %s: not known here" % key
    if rule.get("quantity") not in QUANTITIES:
        return "relay: quantity: expected the key of a quantity"
    for key in ("on", "off"):
        if not _is_number(rule.get(key)):
            return "relay: %s: expected a number" % key
    for key, low in (("least", 0), ("most", 1)):
        if not isinstance(rule.get(key, low), int) or rule.get(key, low) < low:
            return "relay: %s: expected whole seconds, %d or more" % (key, low)
    return "relay: off must be below on" if rule["off"] >= rule["on"] else None


def desired(content):
    """Return what is wrong with a desired configuration, as a sentence, or None."""
    if not isinstance(content, dict):
        return "configuration: expected an object"
    revision = content.get("revision")
    if not isinstance(revision, int) or isinstance(revision, bool) or not 1 <= revision < 1 << 53:
        return "revision: expected a whole number, 1 or more"
    more = {}
    for key in content:
        if key in ("raw", "outbox", "brokers", "sensors"):
            more[key] = content[key]
        elif key not in ("revision", "interval", "period", "relay"):
            return "%s: not known here" % key
    if isinstance(content.get("interval"), bool) or content.get("interval", 10) not in INTERVALS:
        return "interval: expected one of %s s" % (INTERVALS,)
    period = content.get("period", 1)
    if not isinstance(period, (int, float)) or isinstance(period, bool) or not 0.1 <= period <= 60:
        return "period: expected 0.1 to 60 s"
    told = relay(content["relay"]) if "relay" in content else None
    return told or (borrow("config").wrong_desired(more) if more else None)
