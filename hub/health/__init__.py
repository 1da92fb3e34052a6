"""How the hub is: what it counts and shows to Prometheus."""
