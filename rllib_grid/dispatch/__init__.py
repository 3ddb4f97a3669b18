"""The optimal dispatch of states and of days, and its proofs."""
