"""Synthetic slides, scans and X-rays with known truth: seeded, made from nothing.

``abdomen`` makes CT scans, with reports and outcomes; ``chest`` X-rays of made-up findings, with
reports and a book that describes the findings. All other modules here make slides.

``slides`` writes a whole-slide image and its truth; ``truth`` holds what is where on it;
``captions`` says in words what its tiles show; ``classes`` names the tissues and ``vocabulary``
their traits.

How a slide comes about: ``layout`` draws a map of tissues (pixels of 8 micrometres), ``artefacts``
what goes wrong, ``textures`` one wrap-around square per tissue (``tissues``, ``glands``: cells and
their stains; ``stains``: colours), ``render`` composes them tile by tile, ``pyramid`` encodes and
writes.
"""
