"""What a building runs, in numpy, and its files."""
