"""A small graph of cancers for tests of knowledge training."""

from medvlp.knowledge.graph import Definition, KnowledgeGraph, SourceRecord, Synonym, Term

ORGANS = ("lung", "kidney", "liver", "brain", "skin", "bone", "colon", "breast")
_FORMS = ("malignant {}", "primary {} tumour", "tumour of {}", "carcinoma of {}", "{} neoplasm")


def cancer_graph(*, holds_umls: bool = False) -> KnowledgeGraph:
    """Return cancers of eight organs under one parent, each with eight texts."""
    source = SourceRecord("made for a test", "1", "CC0-1.0", "0" * 64, holds_umls)
    terms = [
        Term(
            f"X:{number}",
            f"{organ} cancer",
            tuple(Synonym(form.format(organ), "EXACT") for form in _FORMS),
            (Definition(f"A cancer that grows in the {organ}.", "DO"),),
            ("X:0",),
        )
        for number, organ in enumerate(ORGANS, start=1)
    ]
    return KnowledgeGraph([Term("X:0", "cancer"), *terms], (source,))
