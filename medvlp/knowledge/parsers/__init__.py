"""Readers of ontologies: one module per format, each giving a :class:`ParsedSource`."""
