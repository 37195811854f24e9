import hashlib
import string
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from medvlp.io import case_keys, is_safe_key

SAFE = set(string.ascii_letters + string.digits + "._-")
RESERVED = {"con", "prn", "aux", "nul", *(f"{p}{i}" for p in ("com", "lpt") for i in range(10))}


def key_of(case_id: str) -> str:
    return case_keys([case_id])[case_id]


def digest(case_id: str) -> str:
    return hashlib.sha256(case_id.encode()).hexdigest()[:8]


@pytest.mark.parametrize(
    ("case_id", "expected"),
    [
        ("slide_001.svs", "slide_001"),
        ("slide_001.SVS", "slide_001"),
        ("cells.ome.tif", "cells"),
        ("scan.nii.gz", "scan"),
        ("slide_001", "slide_001"),
        ("v1.2-final", "v1.2-final"),
        ("TCGA-A1-01A.4f2b.svs", "TCGA-A1-01A.4f2b"),
        ("notes.txt", "notes.txt"),
    ],
)
def test_case_keys__keep_names_that_are_safe(case_id: str, expected: str) -> None:
    assert key_of(case_id) == expected


@pytest.mark.parametrize(
    ("case_id", "start"),
    [
        ("site A/slide 1.svs", "site_A_slide_1"),
        ("../../etc/passwd", "___.._etc_passwd"),
        ("..", "__"),
        (".", "_"),
        ("", "case"),
        (".svs", "_svs"),
        (".hidden", "_hidden"),
        ("slide.", "slide_"),
        ("con", "_con"),
        ("NUL.svs", "_NUL"),
        ("Com1.report", "_Com1.report"),
        ("nul\x00byte", "nul_byte"),
        ("a\u2215b", "a_b"),
        ("C:\\x", "C__x"),
        ("x" * 300, "x" * 100),
    ],
)
def test_case_keys__mark_what_they_changed_with_a_hash(case_id: str, start: str) -> None:
    assert key_of(case_id) == f"{start}-{digest(case_id)}"


def test_case_keys__hash_all_names_that_would_meet_whatever_their_order() -> None:
    ids = ["a.svs", "a.tif", "A", "b.svs"]
    expected = {
        "a.svs": f"a-{digest('a.svs')}",
        "a.tif": f"a-{digest('a.tif')}",
        "A": f"A-{digest('A')}",
        "b.svs": "b",
    }
    assert case_keys(ids) == expected
    assert case_keys(reversed(ids)) == expected


def test_case_keys__tell_a_literal_name_from_a_generated_one() -> None:
    generated = key_of("x y")
    keys = case_keys(["x y", generated])
    assert len(set(keys.values())) == 2
    assert keys["x y"] == generated


def test_case_keys__accept_names_that_no_unicode_encoding_holds() -> None:
    assert is_safe_key(key_of("slide\udcff.svs"))


def test_case_keys__extend_hashes_that_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    real = hashlib.sha256

    class Weak:
        def __init__(self, data: bytes) -> None:
            self.text = "0" * 12 + real(data).hexdigest()[12:]

        def hexdigest(self) -> str:
            return self.text

    monkeypatch.setattr("medvlp.io.names.hashlib.sha256", Weak)
    keys = case_keys(["a b", "a/b"])
    assert len(set(keys.values())) == 2
    assert all(key.startswith("a_b-000000000000") for key in keys.values())


names = st.text(max_size=130) | st.text(alphabet="ab./\\A \u00e9", max_size=8)


@settings(max_examples=300, deadline=None)
@given(st.sets(names, max_size=12))
@example({"CON", "con", "Con.svs"})
@example({"a", "A", "a.svs", "a/", "a\x00"})
def test_case_keys__are_unique_and_never_leave_a_folder(case_ids: set[str]) -> None:
    keys = case_keys(case_ids)
    folder = Path("/out")
    assert set(keys) == case_ids
    assert len({key.casefold() for key in keys.values()}) == len(case_ids)
    for case_id, key in keys.items():
        assert set(key) <= SAFE
        assert 0 < len(key) <= 173
        assert key[0] != "."
        assert key[-1] != "."
        assert key.split(".")[0].lower() not in RESERVED
        assert (folder / key).parent == folder
        assert is_safe_key(key)
        if not key.endswith(digest_any(case_id)):
            assert case_id.startswith(key), "a name that lost something has to carry its hash"


def digest_any(case_id: str) -> tuple[str, ...]:
    text = hashlib.sha256(case_id.encode("utf-8", "surrogatepass")).hexdigest()
    return tuple(f"-{text[:count]}" for count in range(8, 65, 8))


@pytest.mark.slow
@settings(max_examples=30_000, deadline=None)  # some 10^5 names
@given(st.sets(names, max_size=8))
def test_case_keys__hold_for_many_names(case_ids: set[str]) -> None:
    test_case_keys__are_unique_and_never_leave_a_folder.hypothesis.inner_test(case_ids)


@pytest.mark.parametrize(
    "name", ["", ".", "..", "a/b", "a\\b", ".a", "a.", "con", "nul.h5", "x" * 201]
)
def test_is_safe_key__refuses_what_could_leave_a_folder(name: str) -> None:
    assert not is_safe_key(name)
