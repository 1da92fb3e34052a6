"""The hub's HTTP server, and how it refuses."""
