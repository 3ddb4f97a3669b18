"""What cases of states and cases of days offer the commands: one interface, two answers."""
