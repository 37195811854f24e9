"""A folder of radiographs with the findings asked of it: their texts, and a tokenizer for all."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from medvlp.data.radiograph_manifest import BOOK_FILE
from medvlp.data.radiograph_pairs import read_radiograph_pairs
from medvlp.data.radiograph_texts import find_facets, tokenize_facets
from medvlp.data.tokenizer_choice import TokenizerSettings, choose_tokenizer
from medvlp.knowledge.facets import load_finding_book

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from medvlp.data.radiograph_batch import FacetTexts
    from medvlp.data.radiograph_manifest import RadiographPairsManifest
    from medvlp.knowledge.facets import FindingBook, FindingFacets
    from medvlp.text.tokenizer import CaptionTokenizer

__all__ = ["RadiographSource"]

TRAIN = "train"
_TOKENIZER = TokenizerSettings()


class RadiographSource:
    """Reads what belongs to a folder of radiographs, each part once and when it is asked for.

    Args:
        folder: The folder that ``preprocessing.prepare_radiographs`` made.
        findings: Names of findings out of the folder's; None takes all.
        book: The book of findings; None takes the folder's own where it has one, else the one that
            comes with the package.
        tokenizer: The text tower's tokenizer.
        max_facet_tokens: Largest number of tokens of a text of the book.
    """

    def __init__(
        self,
        folder: Path,
        *,
        findings: Sequence[str] | None = None,
        book: Path | None = None,
        tokenizer: TokenizerSettings = _TOKENIZER,
        max_facet_tokens: int = 64,
    ) -> None:
        self.folder = folder
        self.max_facet_tokens = max_facet_tokens
        self._asked = findings
        self._book_path = book
        self._tokenizer_settings = tokenizer

    @cached_property
    def manifest(self) -> RadiographPairsManifest:
        """The folder.

        Raises:
            DataError: If it is not one (MV1790, MV1792, MV1793).
        """
        return read_radiograph_pairs(self.folder)

    @cached_property
    def findings(self) -> tuple[str, ...]:
        """Names of the C findings, in the order of the columns of labels.

        Raises:
            DataError: If the folder knows no such finding (MV1795).
        """
        if self._asked is None:
            return self.manifest.info.findings
        names = tuple(self._asked)
        self.manifest.check_findings(names)
        return names

    @cached_property
    def book(self) -> FindingBook:
        """The book of findings.

        Raises:
            ConfigError: If the file is no book.
        """
        own = self.folder / BOOK_FILE
        return load_finding_book(self._book_path or (own if own.is_file() else None))

    @property
    def has_other_book(self) -> bool:
        """Whether the folder was prepared with a book that says something else."""
        prepared = self.manifest.info.book_sha256
        return bool(prepared) and prepared != self.book.content_sha256

    @cached_property
    def finding_facets(self) -> tuple[FindingFacets, ...]:
        """What the book says of the C findings.

        Raises:
            DataError: If it does not know one of them (MV1796).
        """
        return tuple(find_facets(self.book, self.findings))

    @cached_property
    def tokenizer(self) -> CaptionTokenizer:
        """The tokenizer: from the file in the settings, else trained on training texts.

        These are the reports of the training split and what the book says of the C findings.

        Raises:
            DataError: If there are no pictures (MV1790, MV1791) or no book of them (MV1796).
            ModelError: If there is no such file (MV1410).
        """
        return choose_tokenizer(self._tokenizer_settings, self._training_texts)

    @cached_property
    def facets(self) -> FacetTexts:
        """What the book says of the C findings, as tokens.

        Raises:
            DataError: If it does not know one of them (MV1796).
        """
        return self.facet_texts(self.finding_facets, self.findings)

    def facet_texts(
        self, findings: Sequence[FindingFacets], names: Sequence[str] | None = None
    ) -> FacetTexts:
        """Return what is said of any findings as tokens, such as of ones not trained on.

        Args:
            findings: The findings.
            names: What they are called; None takes their own names.
        """
        return tokenize_facets(self.tokenizer, findings, self.max_facet_tokens, names)

    def _training_texts(self) -> list[str]:
        said = [text for finding in self.finding_facets for _, text in finding.texts()]
        return [*self.manifest.reports(TRAIN), *said]
