"""The officers' desk: what people see of alerts and do with them, on the command line and by the HTTP API."""
