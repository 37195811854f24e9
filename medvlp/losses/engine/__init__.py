"""The recomputing engine behind the contrastive losses: log-sum-exps over pairs, tile by tile.

Notation of the whole package: x is (b, D) on this rank, y is (B, D) joined over the ranks,
``z_ij = scale * <x_i, y_j> (+ bias)``; rows belong to x and columns to y. A tile is a block of rows
times a block of columns. Row i has positives P(i), ignored columns I(i), and A(i) = all but I(i).
"""
