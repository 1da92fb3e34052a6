"""What makes a city's certificates, passwords and files before the first `compose up`: `fenceline deploy`."""
