"""What the technician's commands have in common on the screen."""
