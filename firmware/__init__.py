"""The technician's toolkit: finds boards and builds what is put on them."""
