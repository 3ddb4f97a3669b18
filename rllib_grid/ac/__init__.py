"""The full AC power flow: what LinDistFlow leaves out, and optimal dispatch under it."""
