"""The algorithms, a file each in its paper's order, and their registry."""
