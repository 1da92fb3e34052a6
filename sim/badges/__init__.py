"""Simulated badges of workers, as they speak to a hub."""
