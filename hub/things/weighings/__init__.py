"""Weighings of weighbridges: loads as they come from a file or over HTTP, each kept once, as a thing of its moment."""
