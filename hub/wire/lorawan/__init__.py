"""Uplinks of LoRaWAN: as network servers hand them over, as devices fill them, and as they stand in the log."""
