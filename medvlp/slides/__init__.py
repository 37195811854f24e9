"""Whole-slide images: reading, geometry, tissue, tiles and feature files."""
