"""Settings are kept without the places of the machine that they were used on."""

from medvlp.training.shareable import without_local_paths


def test_without_local_paths__leaves_out_places_at_any_depth() -> None:
    config = {
        "folder": "here",
        "model": {"text_from": "tower", "path": "/home/x", "win": "C:\\\\data", "depth": 2},
        "list": ["~/a", "b", {"file": "c", "d": 1}],
    }
    assert without_local_paths(config) == {"model": {"depth": 2}, "list": ["b", {"d": 1}]}
