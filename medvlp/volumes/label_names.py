"""Names of the labels that segmentation tools write, by their number."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LabelScheme", "label_names"]

LabelScheme = Literal["totalsegmentator", "kits"]

_VERTEBRAE = [
    *(f"L{number}" for number in range(5, 0, -1)),
    *(f"T{number}" for number in range(12, 0, -1)),
    *(f"C{number}" for number in range(7, 0, -1)),
]
_TOTAL = [
    *"spleen kidney_right kidney_left gallbladder liver stomach pancreas".split(),
    *"adrenal_gland_right adrenal_gland_left lung_upper_lobe_left lung_lower_lobe_left".split(),
    *"lung_upper_lobe_right lung_middle_lobe_right lung_lower_lobe_right esophagus".split(),
    *"trachea thyroid_gland small_bowel duodenum colon urinary_bladder prostate".split(),
    *"kidney_cyst_left kidney_cyst_right sacrum vertebrae_S1".split(),
    *(f"vertebrae_{name}" for name in _VERTEBRAE),
    *"heart aorta pulmonary_vein brachiocephalic_trunk subclavian_artery_right".split(),
    *"subclavian_artery_left common_carotid_artery_right common_carotid_artery_left".split(),
    *"brachiocephalic_vein_left brachiocephalic_vein_right atrial_appendage_left".split(),
    *"superior_vena_cava inferior_vena_cava portal_vein_and_splenic_vein".split(),
    *"iliac_artery_left iliac_artery_right iliac_vena_left iliac_vena_right".split(),
    *"humerus_left humerus_right scapula_left scapula_right clavicula_left".split(),
    *"clavicula_right femur_left femur_right hip_left hip_right spinal_cord".split(),
    *"gluteus_maximus_left gluteus_maximus_right gluteus_medius_left".split(),
    *"gluteus_medius_right gluteus_minimus_left gluteus_minimus_right".split(),
    *"autochthon_left autochthon_right iliopsoas_left iliopsoas_right brain skull".split(),
    *(f"rib_{side}_{number}" for side in ("left", "right") for number in range(1, 13)),
    *"sternum costal_cartilages".split(),
]
_SCHEMES: dict[str, dict[int, str]] = {
    "totalsegmentator": dict(enumerate(_TOTAL, start=1)),
    "kits": {1: "kidney", 2: "tumor", 3: "cyst"},
}


def label_names(scheme: LabelScheme) -> Mapping[int, str]:
    """Return the name of each label.

    Args:
        scheme: ``totalsegmentator`` (task "total" of version 2) or ``kits`` (KiTS challenges).

    Raises:
        ValueError: If the scheme is unknown.
    """
    if scheme not in _SCHEMES:
        raise ValueError(f"unknown scheme {scheme!r}; choose from {sorted(_SCHEMES)}")
    return _SCHEMES[scheme]
