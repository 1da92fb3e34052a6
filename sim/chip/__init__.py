"""Simulated chips: a virtual board behind a serial port, a ROM loader."""
