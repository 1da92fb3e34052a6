"""Checks of what speaks over lines of its own: stations, terminals, nodes, badges, platforms above the hub."""
