"""Kinds of rules about loads that are carried: how fast, by which document, how much, by which sensors."""
