import random
import re
import time

import pytest

from medvlp.text.reports.phrases import PhraseBook, parse_phrase
from medvlp.text.reports.sentences import report_sentences


def find(phrase: str, text: str) -> list[str]:
    (sentence,) = report_sentences(text)
    return [
        " .. ".join(text[start:end] for start, end in match.spans)
        for match in PhraseBook([phrase]).find(sentence.words)
    ]


@pytest.mark.parametrize(
    ("phrase", "text", "expected"),
    [
        ("lung nodule", "Lung nodules and a lung mass", ["Lung nodules"]),
        ("lung|pulmonary nodule", "A pulmonary nodule", ["pulmonary nodule"]),
        ("calcif*", "Calcified and calcific plaques", ["Calcified", "calcific"]),
        ("a small? nodule", "A nodule", ["A nodule"]),
        ("a small? nodule", "A small nodule", ["A small nodule"]),
        ("ground glass", "ground-glass area", ["ground-glass"]),
        ("node ~2 enlarged", "node is not enlarged", ["node is not enlarged"]),
        ("node ~1 enlarged", "node is not enlarged", []),
        ("coronary & calcif*", "Calcifications of coronary walls", ["coronary .. Calcifications"]),
        ("coronary & calcif*", "Coronary walls are normal", []),
        ("node", "nodes nodees nodess", ["nodes", "nodees"]),
        ("is", "is iss ises", ["is"]),
    ],
)
def test_phrase_book__finds(phrase: str, text: str, expected: list[str]) -> None:
    assert find(phrase, text) == expected


@pytest.mark.parametrize(
    "phrase",
    ["", " ", "a & ", "~ a", "a ~", "a? b", "a b?", "a|", "*", "a ~0 b", "a ~99 b", "a ~x b"],
)
def test_parse_phrase__refuses_what_could_match_nothing(phrase: str) -> None:
    with pytest.raises(ValueError, match=r"phrase|word|gap"):
        parse_phrase(phrase)


def test_phrase_book__is_quick_on_a_sentence_without_end() -> None:
    (sentence,) = report_sentences("aorta " * 8_000)
    begin = time.process_time()
    assert PhraseBook(["aorta & calcif*", "aorta ~8 arch ~8 wall"]).find(sentence.words) == []
    assert time.process_time() - begin < 10


def test_phrase_book__agrees_with_regular_expressions_on_random_words() -> None:
    draw = random.Random(5)
    phrase = "aa ~2 bb|c* dd? ee"
    pattern = re.compile(
        r"(?=(\b(?:aas|aa)\b(?: \w+){0,2}? (?:bb|c\w*)(?: (?:dd))? (?:ee)\b))", re.ASCII
    )
    book = PhraseBook([phrase])
    hits = 0
    for _ in range(3_000):
        text = " ".join(draw.choices(["aa", "bb", "cx", "dd", "ee", "f"], k=draw.randint(3, 9)))
        (sentence,) = report_sentences(text)
        actual = {match.spans[0][0] for match in book.find(sentence.words)}
        expected = {match.start(1) for match in pattern.finditer(text)}
        hits += len(expected)
        assert actual == expected, text
    assert hits > 100
