"""The command that embeds reports: from a table and a tower to the file that alignment reads."""

from pathlib import Path

import pytest

from medvlp.cli.entry import run
from medvlp.data.report_table import ReportSource, clean_reports, read_reports
from medvlp.data.scan_texts import read_text_features, variants_of
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.text_tower import KnowledgeText, TextTowerCard, save_text_tower
from medvlp.text.tokenizer import train_tokenizer
from preprocessing.embed_reports import EmbedReportsConfig, main
from tests.data.report_files import write_reports

CONFIG = Path(__file__).parents[2] / "configs" / "preprocess" / "reports.yaml"


@pytest.fixture
def words(tmp_path) -> list[str]:
    table = write_reports(tmp_path / "reports.csv", 4)
    texts = [report.text for report in read_reports(ReportSource(file=table))]
    tokenizer = train_tokenizer(texts, 200)
    settings = TextTowerSettings(width=16, layers=1, heads=2, feedforward=32, max_tokens=96)
    card = TextTowerCard(name="tiny", provenance=Provenance(medvlp_version="0"), license="x")
    model = KnowledgeText(settings, tokenizer.vocab_size, 8)
    save_text_tower(tmp_path / "tower", model, tokenizer, card)
    return [
        str(CONFIG),
        f"source.file={table}",
        f"model={tmp_path / 'tower'}",
        f"out={tmp_path / 'vectors.safetensors'}",
        "clean=true",
    ]


def test_embed_reports__leaves_a_vector_of_every_report_and_variant(words, tmp_path, capsys):
    assert run(main, EmbedReportsConfig, words) == 0
    assert "1 of 1 items done" in capsys.readouterr().out
    found = read_text_features(tmp_path / "vectors.safetensors")
    kept, _ = clean_reports(read_reports(ReportSource(file=tmp_path / "reports.csv")))
    assert all(found.has(text) for report in kept for text in variants_of(report.text))
    assert found.dim == 8
    assert run(main, EmbedReportsConfig, words) == 1  # never over another file
    assert "MV1605" in capsys.readouterr().err
