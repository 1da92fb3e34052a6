"""Checks of what speaks over lines of its own: stations, terminals, platforms above the hub."""
