"""Synthetic CT scans of the abdomen with known truth: seeded, made from nothing.

``patients`` draws who is scanned: kidneys and their ``findings``, ``outcomes`` (malignancy,
survival) that follow from the findings by stated rules, and a ``report`` (worded in ``wording``).
``scan`` makes the scan of a patient in one contrast phase on any grid; ``files`` writes it as
NIfTI, ``dicom`` as a series, ``cohort`` many of them with their manifest.

How a scan comes about: ``grid`` places voxels in the body; ``canvas`` paints ``shapes`` onto a slab
of it, softly, so that edges mix as they do in a voxel; ``torso``, ``organs`` and ``kidneys`` (with
``lesions``) say what is where, and ``contrast`` how bright it is in each phase.

Positions are ``(x, y, z)`` in mm in LPS, from the first lumbar vertebra. Letters: Z, Y, X voxels
of the scan.
"""
