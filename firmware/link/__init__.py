"""The serial line to a board."""
