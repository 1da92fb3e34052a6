"""Puts the hub together and runs it."""
