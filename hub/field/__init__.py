"""What technicians tell the hub: calibrations and repairs of boards."""
