import pytest

from medvlp.knowledge.normalize import normalize_term, normalize_word, split_words


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("Lung Adenocarcinoma", "lung  adenocarcinoma"),
        ("B-cell lymphoma", "B cell lymphoma"),
        ("non\u2010small cell", "non-small cell"),
        ("Hodgkin's lymphoma", "Hodgkin lymphoma"),
        ("Hodgkin\u2019s lymphoma", "hodgkins lymphoma"),
        ("brain tumour", "brain tumors"),
        ("acute myeloid leukaemia", "acute myeloid leukemia"),
        ("oesophageal carcinoma", "esophageal carcinomas"),
        ("Barrett's oesophagus", "Barrett esophagus"),
        ("haemangioma", "hemangiomata"),
        ("metastases", "metastasis"),
        ("diagnoses", "diagnosis"),
        ("diseases", "disease"),
        ("abscesses", "abscess"),
        ("viruses", "virus"),
        ("biopsies", "biopsy"),
        ("melanocytic naevi", "melanocytic nevus"),
        ("M\u00e9ni\u00e8re disease", "Meniere's disease"),
        ("\u03b2-thalassaemia", "beta thalassemia"),
        ("\uff2c\uff35\uff2e\uff27 cancer", "lung cancer"),
        ("carcinoma, squamous cell", "carcinoma squamous cell"),
    ],
)
def test_normalize_term__is_the_same_for_writings_of_one_name(first, second):
    assert normalize_term(first) == normalize_term(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("lung cancer", "lung carcinoma"),
        ("pancreas", "pancreatitis"),
        ("cirrhosis", "cirrhotic"),
        ("type 1", "type 11"),
        ("lupus", "lupu"),
        ("hypothyroidism", "hyperthyroidism"),
    ],
)
def test_normalize_term__keeps_different_names_apart(first, second):
    assert normalize_term(first) != normalize_term(second)


def test_normalize_term__is_empty_without_words_and_keeps_other_scripts():
    assert normalize_term(" -- ,.") == ""
    assert normalize_term("\u80ba\u764c") == "\u80ba\u764c"
    assert normalize_term("\u0930\u0915\u094d\u0924 \u0915\u0948\u0902\u0938\u0930").count(" ") == 1


def test_normalize_term__is_stable():
    for text in (
        "Non-small-cell lung tumours",
        "Ewing's sarcomas",
        "abscesses",
        "\u00c5ngstr\u00f6m",
    ):
        once = normalize_term(text)
        assert normalize_term(once) == once


def test_split_words__keeps_the_places_in_the_text():
    text = "No (B-cell) lymphomas."
    words = split_words(text)
    assert [text[word.start : word.end] for word in words] == ["No", "B", "cell", "lymphomas"]
    assert [word.key for word in words] == ["no", "b", "cell", "lymphoma"]


def test_normalize_word__leaves_short_words_and_numbers():
    assert [normalize_word(word) for word in ("As", "is", "p53s", "AIDS")] == [
        "as",
        "is",
        "p53s",
        "aid",
    ]


def test_normalize_term__keeps_the_sign_of_a_marker():
    assert normalize_term("HER2- breast cancer") == "her2- breast cancer"
    assert normalize_term("HER2\u2212/HR- breast cancer") == "her2- hr- breast cancer"
    assert normalize_term("HER2+") != normalize_term("HER2-") != normalize_term("HER2")
    for text in (
        "IDH-mutant",
        "non- squamous",
        "T- and B-cell",
        "BCR-ABL1",
        "HER2-\npositive",
        "PNEUMONIA- x",
        "GBM- recurrent",
        "BRCA1- and BRCA2-associated",
    ):
        assert "- " not in normalize_term(text) + " "
    assert [(word.start, word.end) for word in split_words("ER- x")] == [(0, 3), (4, 5)]
