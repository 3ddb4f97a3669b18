"""Stages of any algorithm: settings, configuration, selection, weights on their way, export."""
