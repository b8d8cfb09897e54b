"""What accounts may use up: reserved before a request is passed on, settled after its answer."""
