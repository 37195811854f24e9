from tests.knowledge.example_graphs import term


def test_exact_names__are_the_name_and_exact_synonyms_once():
    item = term("X:1", "a", synonyms=["b", ("c", "BROAD"), "a", "b"])
    assert item.exact_names == ("a", "b")
