"""What the laptop tells the hub once it is online."""
