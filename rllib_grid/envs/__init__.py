"""Joint environments, their models, and their one-lane faces."""
