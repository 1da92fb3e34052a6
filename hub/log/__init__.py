"""The log: every message verbatim, durable before anybody is told so; everything downstream reads from it."""
