import numpy as np
import pytest

from medvlp.config.run_tables import write_case_rows
from medvlp.config.runs import CaseRow
from medvlp.errors import DataError, FeatureError
from medvlp.probing.feature_folder import read_case_features, read_feature_folder
from tests.probing.probe_samples import write_scan, write_slide


def test_read_case_features__of_a_slide_is_the_mean_of_its_tiles(tmp_path):
    tiles = np.random.default_rng(0).standard_normal((7, 4)).astype(np.float32)
    write_slide(tmp_path, "s1", tiles)
    found = read_case_features(tmp_path / "s1.h5")
    np.testing.assert_allclose(found.vectors, [tiles.mean(axis=0)], rtol=1e-6)
    assert (found.kind, found.units, found.key) == ("slide", ("slide",), "s1")


def test_read_case_features__of_a_scan_has_a_row_per_box(tmp_path):
    write_scan(tmp_path, "c1", [[1, 2], [3, 4]], ["kidney_left", "kidney_right"])
    found = read_case_features(tmp_path / "c1.h5")
    assert found.vectors.tolist() == [[1, 2], [3, 4]]
    assert found.units == ("kidney_left", "kidney_right")
    assert found.kind == "scan"


def test_read_case_features__of_a_slide_without_tiles_has_no_row(tmp_path):
    write_slide(tmp_path, "s1", np.zeros((0, 4)))
    found = read_case_features(tmp_path / "s1.h5")
    assert found.units == ()
    assert found.vectors.shape == (0, 4)


def test_read_feature_folder__names_cases_as_cases_csv_does(tmp_path):
    folder = tmp_path / "features" / "m"
    folder.mkdir(parents=True)
    write_slide(folder, "a_b", np.ones((2, 3)))
    assert set(read_feature_folder(folder).cases) == {"a_b"}
    write_case_rows(tmp_path, [], [CaseRow(case_id="a/b.svs", case_key="a_b", path="x")])
    assert set(read_feature_folder(folder).cases) == {"a/b.svs"}
    assert set(read_feature_folder(tmp_path).cases) == {"a/b.svs"}


def test_read_feature_folder__refuses_what_does_not_belong_together(tmp_path):
    with pytest.raises(DataError, match=r"MV2328.*no feature files"):
        read_feature_folder(tmp_path)
    for model in ("m", "n"):
        (tmp_path / "features" / model).mkdir(parents=True)
        write_slide(tmp_path / "features" / model, "s1", np.ones((1, 3)))
    with pytest.raises(DataError, match=r"MV2328.*several models: features/m, features/n"):
        read_feature_folder(tmp_path)
    write_slide(tmp_path / "features" / "m", "s2", np.ones((1, 3)), weights_sha256="f" * 64)
    with pytest.raises(DataError, match=r"MV2328.*2 encoders"):
        read_feature_folder(tmp_path / "features" / "m")


def test_read_feature_folder__refuses_a_damaged_file(tmp_path):
    (tmp_path / "s1.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    with pytest.raises(FeatureError, match="MV1310"):
        read_feature_folder(tmp_path)
