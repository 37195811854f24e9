"""Networks for scans: boxes of Hounsfield units in, embeddings and feature maps out."""
