"""Tries a domain pack in every room: its files, its sensors' drivers, its dashboard, its simulated day."""
