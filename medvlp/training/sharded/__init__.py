"""Training with the weights, their gradients and the optimiser's state divided among the ranks."""
