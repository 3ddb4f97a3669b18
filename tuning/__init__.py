"""Commands, presets, evaluation and reports: the wing that joins ``rllib_grid`` and ``policies``.

``python -m tuning`` lists the commands. Importing this package imports nothing heavy.
"""
