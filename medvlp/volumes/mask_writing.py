"""Write a label map as a NIfTI file that names its labels, as TotalSegmentator's files do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel
import numpy as np

from medvlp.volumes.geometry import affine_ras_to_lps

if TYPE_CHECKING:
    from pathlib import Path

    from medvlp.volumes.masks import LabelMap

__all__ = ["write_label_map"]

_COMMENT = 0
"""Code of a NIfTI extension of no declared meaning, as TotalSegmentator's."""


def write_label_map(path: Path, mask: LabelMap) -> None:
    """Write a label map with the names of its labels.

    Args:
        path: A file ending in ``.nii.gz`` or ``.nii``.
        mask: What to write.
    """
    affine = affine_ras_to_lps(mask.geometry.affine_lps)  # the same turn leads back
    image = nibabel.Nifti1Image(np.asarray(mask.labels).T, affine)
    labels = "".join(
        f'<Label Key="{number}" Red="0" Green="0" Blue="0" Alpha="1"><![CDATA[{name}]]></Label>'
        for number, name in sorted(mask.names.items())
    )
    text = f"<CaretExtension><LabelTable>{labels}</LabelTable></CaretExtension>"
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension(_COMMENT, text.encode()))
    nibabel.save(image, path)
