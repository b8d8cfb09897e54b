"""Driver: the path in front of a live API; it judges every request and performs actions."""
