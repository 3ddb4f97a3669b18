"""What the world does: laws and files of demand, profiles of days."""
