"""Manifests, samplers, pairs and Lightning data modules."""
