"""The information limits of a case: how good a team can be with what its agents know."""
