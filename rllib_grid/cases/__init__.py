"""Cases: a feeder with its agents, limits, costs and sources; presets and files."""
