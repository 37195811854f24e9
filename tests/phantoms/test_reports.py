import numpy as np

from medvlp.phantoms.classes import find_class
from medvlp.phantoms.reports import caption_regions, write_report


def labels_of(*keys):
    labels = np.zeros((100, 100), dtype=np.uint8)
    for index, key in enumerate(keys):
        labels[10 * (index + 1) : 10 * (index + 2)] = find_class(key).code
    return labels


def report(labels, bits=0, diagnosis="small-cell", share=0.4):
    return write_report(
        np.random.default_rng(0),
        labels,
        np.full(labels.shape, bits, dtype=np.uint8),
        diagnosis=diagnosis,
        tumor_share=share,
        um_per_px=10.0,
    )


def test_write_report__states_area_share_and_diagnosis():
    text = report(labels_of("small-cell", "normal", "fat"))

    assert "0.3 square millimetres" in text  # 3000 map pixels of 10 um
    assert "Tumor takes 40 percent" in text
    assert "Adipose" in text
    assert "Artefacts" not in text
    assert text.endswith("Diagnosis: phantom small cell carcinoma.")


def test_write_report__normal_has_no_tumor():
    text = report(labels_of("normal"), diagnosis="normal", share=0.0)

    assert "There is no tumor." in text
    assert "Tumor takes" not in text
    assert text.endswith("Diagnosis: normal tissue.")


def test_write_report__lists_artefacts():
    assert "Artefacts: ink, a field out of focus." in report(labels_of("normal"), bits=5)


def test_caption_regions__has_one_caption_per_tissue():
    captions = caption_regions(np.random.default_rng(0), labels_of("papillary", "stroma"))

    assert len(captions) == 2
