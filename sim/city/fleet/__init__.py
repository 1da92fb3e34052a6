"""Vehicles of the simulated city, and what they serve: muck trucks, a collection round."""
