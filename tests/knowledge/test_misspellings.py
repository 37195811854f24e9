import itertools

import pytest

from medvlp.knowledge.misspellings import Misspellings

WORDS = {"sarcoma": "sarcoma", "pneumonia": "pneumonia", "tumors": "tumor", "gout": "gout"}


def misspellings(**counts: int) -> Misspellings:
    return Misspellings(WORDS, {"sarcoma": 50, **counts}, {"gouty", "sarcomas"})


def one_slip_apart(a: str, b: str) -> bool:
    """Say by trying every edit whether two words are one slip apart."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    edits = {a[:i] + a[i + 1 :] for i in range(len(a))}
    edits |= {a[:i] + x + a[i:] for i in range(len(a) + 1) for x in letters}
    edits |= {a[:i] + x + a[i + 1 :] for i in range(len(a)) for x in letters}
    edits |= {a[:i] + a[i + 1] + a[i] + a[i + 2 :] for i in range(len(a) - 1)}
    return b in edits and a != b


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("sarcma", "sarcoma"),
        ("sarcoima", "sarcoma"),
        ("sarxoma", "sarcoma"),
        ("sracoma", "sarcoma"),
        ("arcoma", "sarcoma"),
        ("tumros", "tumor"),
        ("gour", "gout"),
    ],
)
def test_corrections__undo_one_slip(written: str, key: str) -> None:
    assert misspellings().corrections(written) == (key,)


@pytest.mark.parametrize(
    "word", ["sarcoma", "sarkomma", "sarcomas", "gouty", "pneumonic", "sarcoma1", "g", "", "s" * 41]
)
def test_corrections__leave_right_far_and_strange_words(word: str) -> None:
    assert misspellings().corrections(word) == ()


def test_corrections__take_a_rare_word_for_a_slip_of_a_much_commoner_one() -> None:
    assert misspellings(sarcom=2).corrections("sarcom") == ("sarcoma",)
    assert misspellings(sarcom=9).corrections("sarcom") == ()
    assert misspellings(pneumoni=2).corrections("pneumoni") == ()


def test_corrections__agree_with_trying_every_edit() -> None:
    words = ["".join(letters) for n in (3, 4) for letters in itertools.product("abz", repeat=n)]
    index = Misspellings({word: word for word in words[::3]}, {}, ())
    for word in words[1::3]:
        expected = tuple(sorted(w for w in words[::3] if one_slip_apart(word, w)))
        assert index.corrections(word) == expected


def test_is_known__counts_sources_and_common_words() -> None:
    index = misspellings(lesion=1)
    assert [index.is_known(w) for w in ("lesion", "gouty", "gout", "leson")] == [True] * 3 + [False]
