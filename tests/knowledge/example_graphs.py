"""Small graphs for tests."""

from medvlp.knowledge.graph import Definition, KnowledgeGraph, SourceRecord, Synonym, Term

SOURCE = SourceRecord("example", "1", "CC0", "0" * 64, holds_umls=False)


def term(id_, name, *parents, synonyms=(), definition="", **more):
    """Make a term; synonyms are texts (exact) or pairs with a scope."""
    pairs = [(s, "EXACT") if isinstance(s, str) else s for s in synonyms]
    return Term(
        id=id_,
        name=name,
        synonyms=tuple(Synonym(text, scope) for text, scope in pairs),
        definitions=(Definition(definition, "DO"),) if definition else (),
        parents=parents,
        **more,
    )


def tumour_terms():
    r"""Return eight terms.

           X:1 disease
            |        \
           X:2 cancer  X:3 lung disease
            |     \   /
           X:5     X:4 lung cancer
           brain    |          \
           cancer  X:6 adeno   X:7 squamous
            |
           X:8 glioblastoma
    """
    return [
        term("X:1", "disease"),
        term("X:2", "cancer", "X:1", synonyms=["malignant tumor", ("neoplasm", "BROAD")]),
        term("X:3", "lung disease", "X:1"),
        term("X:4", "lung cancer", "X:2", "X:3", synonyms=["lung malignancy"]),
        term("X:5", "brain cancer", "X:2", alternative_ids=("X:55",)),
        term(
            "X:6",
            "lung adenocarcinoma",
            "X:4",
            synonyms=["adenocarcinoma of lung", ("LUAD", "RELATED")],
            definition="A lung cancer that derives from glands.",
            xrefs=("NCI:C3512",),
        ),
        term("X:7", "lung squamous cell carcinoma", "X:4"),
        term("X:8", "glioblastoma", "X:5", synonyms=["glioblastoma multiforme", "GBM"]),
    ]


def tumour_graph():
    """Return the eight terms as a graph."""
    return KnowledgeGraph(tumour_terms(), [SOURCE])
