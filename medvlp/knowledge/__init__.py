"""The disease knowledge graph: names, synonyms, definitions and is_a, read, merged and asked.

``build`` reads sources (``parsers``), merges them (``merge``) and checks the result (``checks``);
``graph`` is the graph, ``store`` keeps it as Parquet, ``hierarchy`` walks it, ``search`` finds
terms in spite of spelling (``normalize``), and ``tasks`` writes the prompts of a task.
"""
