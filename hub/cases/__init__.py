"""Cases: what the city does about what was seen, in seven steps, with deadlines by the city's own calendar."""
