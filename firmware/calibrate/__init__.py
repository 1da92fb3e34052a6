"""Calibration at the fence: reference values, corrections, what proves them."""
