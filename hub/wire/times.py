"""How far the time of a record may lie from the hub's."""

MOST_AHEAD = 300
"""How far a record may lie in the future before its clock is called wrong [s]."""


MOST_BEHIND = 400 * 86_400
"""How far a record may lie in the past, s: no outbox holds more, but a clock never set tells of 1970 or 2000."""
