"""What the finished runs of a campaign come to: typed, and pure functions over reports."""
