"""Zero-shot classifiers and heads on embeddings; no Lightning."""
