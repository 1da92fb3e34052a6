"""Messages to people: who is told, a durable queue, the sending."""
