"""What learners do: networks as RLlib's modules, optimizer steps, updates, bounds, schedules."""
