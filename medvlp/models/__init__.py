"""Encoders, dual encoders and the model bundle."""
