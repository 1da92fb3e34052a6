"""The way in: broker, receiver, admission, commit, acknowledgement."""
