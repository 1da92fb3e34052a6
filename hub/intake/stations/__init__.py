"""Stations that speak HJ 212 over TCP: their connections, what becomes of their frames, what they are asked for."""
