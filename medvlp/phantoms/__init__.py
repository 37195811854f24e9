"""Synthetic slides with known truth: seeded, made from nothing, readable by every slide reader.

``slides`` writes a whole-slide image and its truth, ``truth`` holds what is where on it,
``captions`` says it in words, ``classes`` names the tissues.
"""
