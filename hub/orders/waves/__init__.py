"""New versions of the boards' agent: what the city has signed, brought to boards in waves, and back if it fails."""
