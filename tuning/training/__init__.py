"""One training: its loop, progress, metrics and report."""
