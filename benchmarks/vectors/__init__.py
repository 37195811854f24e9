"""Checks of the implementation against reference numbers, one small module per group."""
