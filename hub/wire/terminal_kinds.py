"""Under which names frames of JT/T 808 stand in the log; what they say is read by `hub.wire.terminal`."""

PREFIX = "jt808/1/"
"""Of topics in the log."""
FIX, STATE, BATCH, PART, SESSION = "fix", "state", "batch", "part", "session"
"""Kinds of messages: a position; what else a terminal says; a batch whose fixes stand beside it; a part of a message,
whose whole stands beside it when all are there; that it has proven itself with a code for the first time."""
