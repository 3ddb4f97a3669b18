"""Networks of whole teams, stacked: actors, critics, recurrent ones."""
