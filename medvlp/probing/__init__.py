"""Fit small heads on frozen features, and judge them: classes, survival, retrieval."""
