"""Devices of LoRaWAN: the hub's subscription to their network servers, and what becomes of their uplinks."""
