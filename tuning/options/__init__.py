"""From dataclasses to command lines: settings, presets and the recipe of a training."""
