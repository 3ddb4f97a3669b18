"""Ray: one of our own on this machine, or a cluster that runs already."""
