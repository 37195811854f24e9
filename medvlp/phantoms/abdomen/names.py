"""Numbers of the labels of a phantom scan: those of TotalSegmentator, and two of our own."""

from __future__ import annotations

__all__ = ["LABELS", "LABEL_NAMES"]

LABELS: dict[str, int] = {
    "spleen": 1,
    "kidney_right": 2,
    "kidney_left": 3,
    "gallbladder": 4,
    "liver": 5,
    "stomach": 6,
    "pancreas": 7,
    "adrenal_gland_right": 8,
    "adrenal_gland_left": 9,
    "lung_lower_lobe_left": 11,
    "lung_lower_lobe_right": 14,
    "small_bowel": 18,
    "duodenum": 19,
    "colon": 20,
    "kidney_cyst_left": 23,
    "kidney_cyst_right": 24,
    "sacrum": 25,
    "vertebrae_L5": 27,
    "vertebrae_L4": 28,
    "vertebrae_L3": 29,
    "vertebrae_L2": 30,
    "vertebrae_L1": 31,
    "vertebrae_T12": 32,
    "vertebrae_T11": 33,
    "vertebrae_T10": 34,
    "vertebrae_T9": 35,
    "heart": 51,
    "aorta": 52,
    "inferior_vena_cava": 63,
    "portal_vein_and_splenic_vein": 64,
    "hip_left": 77,
    "hip_right": 78,
    "spinal_cord": 79,
    "autochthon_left": 86,
    "autochthon_right": 87,
    "iliopsoas_left": 88,
    "iliopsoas_right": 89,
    "kidney_tumor_left": 118,
    "kidney_tumor_right": 119,
}
"""Name -> number; 118 and 119, the main lesions, follow TotalSegmentator's last."""

LABEL_NAMES: dict[int, str] = {number: name for name, number in LABELS.items()}
"""Number -> name."""
