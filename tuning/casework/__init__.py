"""Cases of one's own, and pictures of cases."""
