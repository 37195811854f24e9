"""Measured claims: each script prints a table of ours beside a peer and can write JSON."""
