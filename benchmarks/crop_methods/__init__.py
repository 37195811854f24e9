"""The ways to cut one box out of a CT scan that ``ct_crop`` measures, each in its own module.

Each module imports what its way needs at the top, so that a process pays for one way only, and
defines ``crop_box(task, method)``. All return the same samples: axes ``(z, y, x)`` that grow
towards S, P and L, on the grid that starts at the first voxel of the turned scan.
"""
