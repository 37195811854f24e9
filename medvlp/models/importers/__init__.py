"""Convert released checkpoints of other programs into model bundles."""
