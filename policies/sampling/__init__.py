"""What runners do: lanes, exploration, trajectories as rows, memories of them."""
