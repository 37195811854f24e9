"""Pretrain medical vision-language models with knowledge, and use them for zero-shot diagnosis."""

__version__ = "0.1.0"
__all__ = ["__version__"]
