"""Simulated terminals that speak JT/T 808 over TCP to a hub: `fenceline sim jt808`."""
