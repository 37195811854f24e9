"""Whole-slide images: reading, geometry, tissue, tiles and feature files.

``reader`` opens a slide and knows its scale (``scale``), or says why it cannot (``refusals``);
``overview`` reads the whole slide small; ``tissue`` finds tissue on it (``ink`` takes out pen
marks); ``geometry`` turns a physical tile size into pixels; ``tiling`` plans tiles and reads them;
``features`` stores one vector per tile in HDF5 (``feature_meta`` describes them, ``feature_match``
compares). Positions are ``(x, y)`` in level-0 pixels, arrays are ``(row, col)``.
"""
