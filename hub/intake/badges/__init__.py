"""Workers' badges and watches that speak the watch protocol over TCP: connections, what becomes of frames, answers."""
