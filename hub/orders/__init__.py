"""Orders to boards: given by people, signed, repeated until the board answers or they expire, and kept for ever."""
