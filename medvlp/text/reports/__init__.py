"""Reports: sections, sentences, sides, measurements, and the attributes that they state."""
