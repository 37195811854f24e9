"""The command that embeds reports: from a table and a tower to the file that alignment reads."""

from pathlib import Path

import pytest

from medvlp.cli.entry import run
from medvlp.data.report_table import ReportSource, clean_reports, read_reports
from medvlp.data.scan_pairs import read_scan_pairs
from medvlp.data.scan_texts import read_text_features, variants_of
from medvlp.models.architecture import TextTowerSettings
from medvlp.models.bundle_schema import Provenance
from medvlp.models.text_tower import KnowledgeText, TextTowerCard, save_text_tower
from medvlp.pipelines.phantom_scan_pairs import write_phantom_scan_pairs
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


def test_embed_reports__of_a_folder_of_scans_covers_every_text_that_alignment_asks_for(
    words, tmp_path
):
    scans = tmp_path / "scans"
    box = {"shape_zyx": (12, 16, 16), "spacing_mm": (8.0, 6.0, 6.0), "margin_zyx": (0, 0, 0)}
    splits = ("train", "validation")
    write_phantom_scan_pairs(scans, patients=2, seed=1, phases=("A", "V"), splits=splits, **box)
    arguments = [word for word in words if not word.startswith(("source", "clean"))]
    assert run(main, EmbedReportsConfig, [*arguments, f"source.file={scans}"]) == 0
    found = read_text_features(tmp_path / "vectors.safetensors")
    rows = [row for split in read_scan_pairs(scans).splits.values() for row in split]
    assert len(rows) == 8
    assert all(found.has(text) for row in rows for text in variants_of(row.report))
