"""What actions are worth beside the optimum of the same states or days."""
