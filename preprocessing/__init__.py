"""Thin offline entry points; run as ``python -m preprocessing.NAME CONFIG``."""
