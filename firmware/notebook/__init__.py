"""What the laptop keeps: boards, calibrations, repairs."""
