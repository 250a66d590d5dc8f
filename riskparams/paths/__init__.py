"""Paths: filtered historical simulation with extreme-value tails, and what happens after a trigger."""
