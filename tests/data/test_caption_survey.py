"""Captions that are cut or cannot be read are counted and named."""

from medvlp.data.caption_survey import survey_captions
from medvlp.data.pairs import PairRow
from medvlp.data.shards import Place
from medvlp.text.tokenizer import train_tokenizer
from tests.models.decoder_releases import byte_pairs

TOKENIZER = train_tokenizer(["a tumour of the lung", "normal tissue"], 80)


def row(name: str, *captions: str) -> PairRow:
    place = Place("000000.tar", 0, 1)
    return PairRow(sample_id=name, place=place, captions=captions, group_id=0, concept_ids=())


def test_survey_captions__finds_nothing_where_all_are_seen_whole():
    survey = survey_captions([row("a", "tumour of the lung"), row("b", "normal")], TOKENIZER, 16)
    assert (survey.num_captions, survey.cut, survey.unreadable) == (2, (), ())
    assert survey.lines() == []


def test_survey_captions__names_pairs_with_long_captions_and_other_scripts():
    long = "lung " * 10000
    assert len(long) == 50000
    rows = [
        row("plain", "a tumour"),
        row("long", "normal", long),
        row("other", "\u80ba\u816b\u7624 \u7ec4\u7ec7"),
        row("same", long),
    ]
    survey = survey_captions(rows, TOKENIZER, 16)
    assert survey.cut == ("long", "same")
    assert survey.unreadable == ("other",)
    assert survey.lines() == [
        "2 pairs have captions of more than 16 tokens, which are cut: long, same",
        "1 pairs have captions that the tokenizer's vocabulary mostly does not hold: other",
    ]


def test_survey_captions__counts_the_longest_caption_that_fits():
    tokens = TOKENIZER.encode(["a tumour of the lung"], 99).ids.shape[1]
    rows = [row("a", "a tumour of the lung")]
    assert survey_captions(rows, TOKENIZER, tokens).cut == ()
    assert survey_captions(rows, TOKENIZER, tokens - 1).cut == ("a",)


def test_survey_captions__names_captions_of_which_nothing_is_left():
    rows = [row("seen", "lung"), row("blank", "\u200b \u00ad"), row("both", "lung", "\u200b")]
    assert survey_captions(rows, TOKENIZER, 16).unreadable == ("blank", "both")


def test_survey_captions__knows_that_decoders_put_nothing_around_a_text():
    survey = survey_captions([row("short", "plain noise"), row("none", "")], byte_pairs(), 16)
    assert survey.unreadable == ("none",)
