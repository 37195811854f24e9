"""Image-caption pairs to a folder of semantic groups.

The way of the data: ``source`` reads rows, ``caption_quality`` and ``survey`` drop the bad ones and
embed images, ``neighbours`` and ``clusters`` find near-duplicate images, ``captions`` finds near
duplicate captions, ``grouping`` joins both to groups, ``labels`` and ``splits`` say what a group is
and where it belongs, ``outputs`` writes. ``run`` puts the steps together.
"""
