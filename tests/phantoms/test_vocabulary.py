from medvlp.phantoms.classes import CLASSES
from medvlp.phantoms.vocabulary import (
    ARTEFACT_SENTENCES,
    CAPTION_TEMPLATES,
    PROMPT_TEMPLATES,
    TRAITS,
)


def test_traits__cover_all_classes_in_three_groups_without_repeats():
    assert set(TRAITS) == {item.key for item in CLASSES}
    for key, groups in TRAITS.items():
        assert len(groups) == 3, key
        phrases = [phrase for group in groups for phrase in group]
        assert len(set(phrases)) == len(phrases), key


def test_traits__belong_to_one_class_only():
    phrases = [phrase for groups in TRAITS.values() for group in groups for phrase in group]

    assert len(set(phrases)) == len(phrases)


def test_templates__take_a_name():
    assert all("papillae" in template.format("papillae") for template in PROMPT_TEMPLATES)
    for template in CAPTION_TEMPLATES:
        filled = template.format(name="N-A-M-E", first="F-I-R-S-T", second="S-E-C-O-N-D")
        assert "N-A-M-E" in filled
        assert "F-I-R-S-T" in filled


def test_artefact_sentences__have_one_per_bit():
    assert sorted(ARTEFACT_SENTENCES) == [1, 2, 4]
