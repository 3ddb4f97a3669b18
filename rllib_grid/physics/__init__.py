"""Net injections to voltages, losses and currents: LinDistFlow and AC."""
