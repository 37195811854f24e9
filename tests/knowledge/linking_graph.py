"""A graph of a dozen diseases for the tests of linking."""

from medvlp.knowledge.graph import Definition, KnowledgeGraph, Scope, Synonym, Term


def term(id_: str, name: str, *synonyms: str | tuple[str, Scope], text: str = "") -> Term:
    pairs = [(s, "EXACT") if isinstance(s, str) else s for s in synonyms]
    return Term(
        id=f"T:{id_}",
        name=name,
        synonyms=tuple(Synonym(words, scope) for words, scope in pairs),
        definitions=(Definition(text, "test"),) if text else (),
        parents=() if id_ == "0" else ("T:0",),
    )


def small_graph() -> KnowledgeGraph:
    return KnowledgeGraph(
        [
            term("0", "disease", text="A disease of the heart, the kidney, the lung or the colon."),
            term("1", "kidney carcinoma", "carcinoma of kidney"),
            term("2", "renal cell carcinoma", "RCC", "hypernephroma"),
            term("3", "pneumonia", "lung inflammation", text="A disease that is pneumonic."),
            term("4", "pleural effusion"),
            term("5", "lung adenocarcinoma", "adenocarcinoma of lung"),
            term("6", "Crohn's disease"),
            term("7", "cardiomyopathy, dilated", ("congestive cardiomyopathy", "RELATED")),
            term("8", "dystonia 12", "DYT12"),
            term("9", "non-small cell carcinoma"),
            term("10", "anemia without iron deficiency"),
            term("11", "left heart syndrome"),
            term("12", "sarcoma of heart", "cardiac sarcoma"),
            term("13", "shared word disease", "twin syndrome"),
            term("14", "other word disease", "twin syndrome"),
            term("15", "acute respiratory distress syndrome", "ARDSX"),
        ]
    )
