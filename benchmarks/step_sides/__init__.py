"""Both sides of the benchmark of the training step: our command line, and open_clip's trainer."""
