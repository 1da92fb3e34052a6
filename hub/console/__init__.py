"""The pages in which officers, inspectors and technicians work: /console of the hub's HTTP server. It owns no table."""
