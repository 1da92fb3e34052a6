"""Simulated stations that speak HJ 212, for trying things out, for tests and benchmarks."""
