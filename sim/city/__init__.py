"""A simulated city: sites, sensors that speak the real wire protocols, boards, replay, the demo."""
