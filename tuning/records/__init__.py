"""What run folders hold, and how it is written: whole or not at all."""
