"""Synthetic chest X-rays with known truth: seeded, made from nothing.

What is found has a made-up name that tells nothing; how it looks is a composition of ``traits``,
which the ``book`` says in words. 40 findings may occur in training (``SEEN``), 8 are to be
recognised from their description alone (``UNSEEN``).

``picture`` takes the X-ray of one patient: pixels, boxes, masks, labels, report; ``cohort`` those
of many; ``files`` and ``dicom`` write them.

How a picture comes about: ``patients`` draws what is found where; ``frame`` places the pixels in
the body; ``frontal`` and ``lateral`` paint a normal chest; ``lesions`` (outlines and textures in
``shapes``) are added to it; ``exposure`` makes stored values. ``report`` says it in prose, in the
words of ``wording``. The patient's left lies on the picture's right in frontal views.
"""
