"""Masks go to the scan whose name or place says so, and to none where that is not clear."""

from pathlib import Path

import pytest

from medvlp.pipelines.scan_masks import (
    FoundMask,
    ScanPlace,
    bare_stem,
    group_organs,
    masks_below,
    pair_masks,
)


def scan(name: str, *, frame: str = "") -> ScanPlace:
    path = Path(name)
    return ScanPlace(case_id=name, folder=path.parent, stem=bare_stem(path.name), frame_uid=frame)


def series(name: str, *, frame: str = "") -> ScanPlace:
    path = Path(name)
    return ScanPlace(case_id=name, folder=path, stem=path.name, is_folder=True, frame_uid=frame)


def mask(name: str, *, frame: str = "") -> FoundMask:
    return FoundMask(path=Path(name), place=Path(name), frame_uid=frame)


def paired(scans: list[ScanPlace], *masks: FoundMask) -> dict[str, str]:
    return {name: path.as_posix() for name, path in pair_masks(scans, masks)[0].items()}


@pytest.mark.parametrize(
    ("scans", "name", "owner"),
    [
        (["p/ct.nii.gz"], "p/segmentation.nii.gz", "p/ct.nii.gz"),
        (["a.nii.gz", "b.nii.gz"], "b_seg.nii.gz", "b.nii.gz"),
        (["a.nii.gz", "ab.nii.gz"], "ab-mask.nrrd", "ab.nii.gz"),
        (["case_1_0000.nii.gz", "case_10_0000.nii.gz"], "case_1.nii.gz", "case_1_0000.nii.gz"),
        (
            ["imagesTr/x_0000.nii.gz", "imagesTr/y.mha"],
            "labelsTr/x.nii.gz",
            "imagesTr/x_0000.nii.gz",
        ),
        (["a.nii.gz", "b.nii.gz"], "b/organs.nii.gz", "b.nii.gz"),
        (["p/ct.nii.gz"], "p/segmentations", "p/ct.nii.gz"),
        (["a.nii.gz", "b.nii.gz"], "a_organs", "a.nii.gz"),
        (["a.nii.gz", "b.nii.gz"], "total.nii.gz", None),
        (["a.nii.gz", "a.nrrd", "b.nii.gz"], "a/organs.nii.gz", None),
        (["p/ct.nii.gz"], "q/segmentation.nii.gz", None),
        (["a.nii.gz", "b.nii.gz"], "ab.nii.gz", None),
    ],
)
def test_pair_masks__goes_by_place_and_name(scans: list[str], name: str, owner: str | None) -> None:
    expected = {} if owner is None else {owner: name}
    assert paired([scan(one) for one in scans], mask(name)) == expected


@pytest.mark.parametrize("name", ["p/seg.nii.gz", "p/s1_seg.nrrd", "p/s1/seg.nii.gz", "p/s1"])
def test_pair_masks__finds_the_series_of_a_folder(name: str) -> None:
    assert paired([series("p/s1")], mask(name)) == {"p/s1": name}


def test_pair_masks__finds_the_series_beside_a_folder_of_masks() -> None:
    scans = [series("in/scans/s1"), series("in/scans/s2"), series("in/deeper/scans/s2")]
    assert paired(scans, mask("in/masks/s2.nii.gz")) == {"in/scans/s2": "in/masks/s2.nii.gz"}


@pytest.mark.parametrize("name", ["flat#2.nii.gz", "flat#2/kidney_left.nii.gz"])
def test_masks_below__goes_by_the_case_that_a_path_spells(tmp_path: Path, name: str) -> None:
    root, given = tmp_path / "in", tmp_path / "masks"
    at = {"folder": root / "flat", "stem": "flat", "is_folder": True}
    scans = [ScanPlace(case_id=f"flat#{number}", **at) for number in (1, 2, 3)]
    (given / name).parent.mkdir(parents=True)
    (given / name).write_bytes(b"NRRD0004\n")
    chosen, _ = pair_masks(scans, masks_below(given, root))
    assert chosen == {"flat#2": given / Path(name).parts[0]}


def test_pair_masks__leaves_a_mask_between_two_series_alone() -> None:
    chosen, unused = pair_masks([series("p/s1"), series("p/s2")], [mask("p/seg.nii.gz")])
    assert not chosen
    assert "belongs to no scan" in unused[Path("p/seg.nii.gz")]


def test_pair_masks__goes_by_the_coordinate_system_of_a_segmentation() -> None:
    scans = [series("p/s1", frame="1"), series("p/s2", frame="2"), series("q/s3", frame="1")]
    assert paired(scans, mask("z/seg.dcm", frame="1")) == {"p/s1": "z/seg.dcm", "q/s3": "z/seg.dcm"}


def test_pair_masks__tells_of_a_second_mask() -> None:
    chosen, unused = pair_masks([scan("p/ct.nii")], [mask("p/b.nii"), mask("p/a.nii")])
    assert chosen == {"p/ct.nii": Path("p/a.nii")}
    assert unused == {Path("p/b.nii"): "a further label map of p/ct.nii"}


def test_group_organs__makes_one_mask_of_a_folder_of_organs() -> None:
    names = ["p/s/liver.nii.gz", "p/s/kidney_left.nii.gz", "q/liver.nii.gz", "q/odd.nii.gz"]
    found = group_organs(mask(name) for name in names)
    assert [entry.path.as_posix() for entry in found] == [
        "p/s",
        "q/liver.nii.gz",
        "q/odd.nii.gz",
    ]


def test_pair_masks__goes_by_the_name_alone_where_masks_were_given() -> None:
    scans = [scan("in/ct/a.nii.gz"), scan("in/ct/b.nii.gz"), scan("in/other/b.nii.gz")]
    given = [
        FoundMask(path=Path(f"m/{name}"), place=Path(f"in/{name}"), is_given=True)
        for name in ("a.nii.gz", "b.nii.gz")
    ]
    assert paired(scans, *given) == {"in/ct/a.nii.gz": "m/a.nii.gz"}
    assert paired(scans, mask("in/a.nii.gz")) == {}
