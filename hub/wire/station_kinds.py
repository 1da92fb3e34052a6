"""Under which names frames of HJ 212 stand in the log; what they say is read by `hub.wire.station`."""

PREFIX = "hj212/1/"
"""Of topics in the log."""
OF_COMMAND = {"2011": "realtime", "2051": "minute", "2061": "hour", "2031": "day"}
"""Kind of message by CN, of those that carry values of a time; what is sent in parts has `PART` until all are there."""
STATE, PART = "state", "part"
KINDS = (*OF_COMMAND.values(), STATE, PART)
