"""The command line: thin typed commands with lazy imports."""
