"""What all servers have in common that take frames over TCP: listening, connections, and bounds on each."""
