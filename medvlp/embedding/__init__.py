"""Encode the units of a case (tiles, volumes, images) to feature vectors."""
