"""Under which names frames of badges stand in the log; what they say is read by `hub.wire.badge.logged`."""

PREFIX = "badge/1/"
"""Of topics in the log."""
FIX, STATE, WITHHELD = "fix", "state", "withheld"
"""Kinds of messages: a position or an alarm; what else a badge says; that it said something outside a shift, which is
not kept."""
