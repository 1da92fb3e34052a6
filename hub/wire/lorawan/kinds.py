"""Under which names uplinks of LoRaWAN stand in the log; what they say is read by `hub.wire.lorawan.logged`."""

PREFIX = "lorawan/1/"
"""Of topics in the log."""
UPLINK = "uplink"
"""The one kind of messages."""
