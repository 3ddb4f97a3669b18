"""Whole days with storage: profiles, the day case, its environments and its yardsticks.

The public names are offered by `rllib_grid` itself and loaded when first used.
"""
