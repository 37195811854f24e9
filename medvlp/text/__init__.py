"""Tokenisers, prompts, reports and negation."""
