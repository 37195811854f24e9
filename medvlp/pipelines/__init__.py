"""A folder in, a run folder out: discovery, tiling, embedding, diagnosis."""
