"""Write a phantom X-ray as a DICOM file (digital X-ray, for presentation)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import (
    UID,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)

from medvlp.errors import PhantomError
from medvlp.io import publish_file
from medvlp.phantoms.chest.exposure import BITS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from medvlp.phantoms.chest.picture import ChestPhantom

__all__ = ["Contrast", "Photometric", "write_phantom_dicom"]

Photometric = Literal["MONOCHROME1", "MONOCHROME2"]
Contrast = Literal["window", "voi-lut", "none"]

_LUT_BITS = 14
_TOP = 2**BITS - 1
_LUT_TOP = 2**_LUT_BITS - 1
_VIEWS = {"PA": ("PA", ["L", "F"]), "AP": ("AP", ["L", "F"]), "LATERAL": ("LL", ["P", "F"])}


def write_phantom_dicom(
    path: Path,
    phantom: ChestPhantom,
    *,
    photometric: Photometric = "MONOCHROME2",
    contrast: Contrast = "window",
    burned_in: bool | None = False,
    with_view: bool = True,
) -> None:
    """Write the pixels so that a viewer shows them as they are.

    With a VOI table the stored values are square roots, which the table undoes exactly; in
    MONOCHROME1 stored values are turned over, before the table.

    Args:
        path: Where to.
        phantom: The picture.
        photometric: Whether the least stored value is white (1) or black (2).
        contrast: A window over all values, a VOI table, or nothing of either.
        burned_in: What the file says of text drawn into the pixels; None leaves it out.
        with_view: Whether the file tells view and orientation.

    Raises:
        PhantomError: MV1908 for an unknown photometric interpretation or contrast.
    """
    if photometric not in {"MONOCHROME1", "MONOCHROME2"} or contrast not in _CONTRASTS:
        raise PhantomError(
            "MV1908",
            f"a DICOM file of {photometric!r} with contrast {contrast!r} cannot be made",
            expected=f"MONOCHROME1 or MONOCHROME2; {', '.join(_CONTRASTS)}",
        )
    shown = _TOP - phantom.pixels if photometric == "MONOCHROME1" else phantom.pixels
    data = _dataset(phantom, photometric)
    _store(data, np.asarray(shown, dtype=np.uint16), contrast)
    if burned_in is not None:
        data.BurnedInAnnotation = "YES" if burned_in else "NO"
    if with_view:
        data.ViewPosition, data.PatientOrientation = _VIEWS[phantom.view]
    with publish_file(path) as temporary:
        data.save_as(temporary, enforce_file_format=True)


_CONTRASTS = ("window", "voi-lut", "none")


def _uid(*words: object) -> UID:
    return generate_uid(entropy_srcs=["phantom chest", *map(str, words)])


def _dataset(phantom: ChestPhantom, photometric: Photometric) -> FileDataset:
    patient_id, meta = phantom.patient_id, FileMetaDataset()
    meta.MediaStorageSOPClassUID = DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = _uid(
        patient_id, phantom.view, phantom.pixels.shape, photometric
    )
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset("", {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID = meta.MediaStorageSOPClassUID
    data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID = _uid(patient_id, "study")
    data.SeriesInstanceUID = _uid(patient_id, "series", phantom.view)
    data.PatientName, data.PatientID = "PHANTOM", patient_id
    data.Modality, data.ImageType = "DX", ["ORIGINAL", "PRIMARY"]
    data.PresentationIntentType, data.BodyPartExamined = "FOR PRESENTATION", "CHEST"
    data.ImageLaterality = "U"
    data.ImagerPixelSpacing = [f"{value:.4f}" for value in phantom.spacing_mm]
    data.PixelIntensityRelationship = "LOG"
    data.PixelIntensityRelationshipSign = 1 if photometric == "MONOCHROME1" else -1
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, photometric
    data.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    data.Rows, data.Columns = phantom.pixels.shape
    data.BitsAllocated, data.PixelRepresentation = 16, 0
    data.RescaleSlope, data.RescaleIntercept, data.RescaleType = "1", "0", "US"
    return data


def _store(data: FileDataset, shown: NDArray[np.uint16], contrast: Contrast) -> None:
    bits = BITS
    if contrast == "window":
        # DICOM's linear window maps centre - 0.5 -+ (width - 1) / 2 to the ends of the scale.
        data.WindowCenter, data.WindowWidth = str(2 ** (BITS - 1)), str(2**BITS)
    elif contrast == "voi-lut":
        bits = _LUT_BITS
        share = np.arange(_LUT_TOP + 1, dtype=np.float64) / _LUT_TOP
        table = np.rint(_TOP * share**2).astype("<u2")
        lut = Dataset()
        lut.LUTDescriptor = [len(table), 0, BITS]
        lut["LUTDescriptor"].VR = "US"
        lut.LUTData = table.tobytes()
        lut["LUTData"].VR = "OW"
        data.VOILUTSequence = DicomSequence([lut])
        shown = np.rint(_LUT_TOP * np.sqrt(shown / _TOP)).astype(np.uint16)
    data.BitsStored, data.HighBit = bits, bits - 1
    data.PixelData = shown.astype("<u2").tobytes()
    data["PixelData"].VR = "OW"
