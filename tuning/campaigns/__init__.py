"""Many trainings: compare and ablate."""
