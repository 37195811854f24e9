"""Lightning modules, recipes, callbacks and the training command line."""
