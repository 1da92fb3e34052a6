"""Names for whoever does something."""

HUB = "hub"
"""Who does what nobody has asked for."""
