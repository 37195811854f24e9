import numpy as np

from benchmarks.ignore_table import METHODS, make_batches, make_builder, obo_parents

OBO = """format-version: 1.2

[Term]
id: A:1
name: root

[Term]
id: A:2
is_a: A:1 ! root

[Term]
id: A:3
is_a: A:1 ! root
is_a: A:9 ! gone
is_obsolete: true

[Term]
id: A:4
is_a: A:1 ! root
is_a: A:2 ! child

[Typedef]
id: part_of
"""


def test_make_builder__all_methods_give_the_same_table(tmp_path):
    path = tmp_path / "graph.obo"
    path.write_text(OBO)
    parents = obo_parents(path)
    assert [x.tolist() for x in parents] == [[0, 0, 1, 3], [0, 0, 1]]
    batch = np.array([2, 0, 2, 1])
    tables = [make_builder(method, parents)(batch).tolist() for method in METHODS]
    assert tables == [[[0b111]] * 3] * 3


def test_make_batches__holds_1024_distinct_concepts():
    (batch,) = make_batches(12_000, 1)
    assert batch.shape == (4096,)
    assert len(np.unique(batch)) == 1024
