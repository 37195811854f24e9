"""Synthetic slides, volumes, radiographs and reports with known truth."""
