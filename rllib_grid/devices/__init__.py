"""What stands in a building and can be controlled."""
