"""A board's identity, keys, certificate and sensors."""
