"""The entry point packs a folder, and names splits that fit no file."""

from pathlib import Path

from medvlp.cli.entry import run
from medvlp.data.bags import read_bags
from preprocessing.pack_bags import PackBagsConfig, main
from tests.data.bag_folders import write_features

CONFIG = str(Path(__file__).parents[2] / "configs" / "preprocess" / "bags.yaml")


def test_main__packs_with_the_splits_of_a_table(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    for number, name in enumerate(("a", "b")):
        write_features(tmp_path / "in" / f"{name}.h5", 3, number)
    table = tmp_path / "splits.csv"
    table.write_text("bag_id,split\nb,test\n")
    words = [CONFIG, f"source={tmp_path / 'in'}", f"out={tmp_path / 'out'}", f"splits={table}"]
    assert run(main, PackBagsConfig, words) == 0
    assert [bag.bag_id for bag in read_bags(tmp_path / "out").splits["test"]] == ["b"]
    table.write_text("bag_id,split\nc,test\n")
    assert run(main, PackBagsConfig, [*words, f"out={tmp_path / 'two'}"]) == 1
    assert "MV1822" in capsys.readouterr().err
