"""Vehicles' terminals that speak JT/T 808 over TCP: their connections, what becomes of their frames, the answers."""
