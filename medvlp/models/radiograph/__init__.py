"""Networks for radiographs: towers, query decoder, facet fusion, and networks others released."""
