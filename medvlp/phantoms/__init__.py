"""Synthetic slides and scans with known truth: seeded, made from nothing, readable by every reader.

``abdomen`` makes CT scans, with reports and outcomes. All other modules here make slides.

``slides`` writes a whole-slide image and its truth; ``truth`` holds what is where on it;
``captions`` says in words what its tiles show; ``classes`` names the tissues and ``vocabulary``
their traits.

How a slide comes about: ``layout`` draws a map of tissues (pixels of 8 micrometres), ``artefacts``
what goes wrong, ``textures`` one wrap-around square per tissue (``tissues``, ``glands``: cells and
their stains; ``stains``: colours), ``render`` composes them tile by tile, ``pyramid`` encodes and
writes.
"""
