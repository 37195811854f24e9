"""Contrastive, group and metric losses; no models."""
