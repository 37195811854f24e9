"""Cohorts of phantom X-rays."""

import numpy as np

from medvlp.phantoms.chest.cohort import phantom_chest_cohort
from medvlp.phantoms.chest.traits import SEEN, SYNONYMS, UNSEEN


def test_cohort__varies_size_view_and_findings():
    pictures = list(phantom_chest_cohort(1, 30, lateral_share=0.3))
    assert {picture.view for picture in pictures} == {"PA", "AP", "LATERAL"}
    assert len({picture.pixels.shape for picture in pictures}) > 20
    assert len({picture.patient_id for picture in pictures}) == 30
    assert len({tuple(picture.labels.values()) for picture in pictures}) > 15


def test_cohort__gives_views_of_one_patient_the_same_report():
    pictures = list(phantom_chest_cohort(1, 12, lateral_share=1.0))
    for frontal, lateral in zip(pictures[::2], pictures[1::2], strict=True):
        assert lateral.view == "LATERAL" != frontal.view
        assert (frontal.report, frontal.labels) == (lateral.report, lateral.labels)
        assert frontal.patient_id == lateral.patient_id


def test_cohort_of_seen_findings__neither_shows_nor_names_unseen_ones():
    hidden = (*UNSEEN, *(SYNONYMS[name] for name in UNSEEN))
    pictures = list(phantom_chest_cohort(2, 150, occurring=SEEN, rows_px=(84, 90)))
    for picture in pictures:
        assert not any(picture.labels[name] for name in UNSEEN)
        assert not [name for name in hidden if name in picture.report.lower()]
        assert {box.finding for box in picture.boxes} <= set(SEEN)


def test_cohort__is_the_same_each_time_and_shares_no_patient_with_another():
    first = list(phantom_chest_cohort(4, 4))
    again = list(phantom_chest_cohort(4, 4))
    other = list(phantom_chest_cohort(5, 4))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.pixels, two.pixels)
        assert one.report == two.report
    assert not {p.patient_id for p in first} & {p.patient_id for p in other}
