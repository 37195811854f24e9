import pytest
import torch

from medvlp.errors import LossError
from medvlp.losses.engine.inputs import check_positives, join_pairs
from medvlp.losses.engine.settings import EngineSettings
from medvlp.losses.relations import PairRelation, pack_related

X = torch.eye(3)
SCALE = torch.tensor(10.0)
TABLE = pack_related(torch.ones(2, 2) > 0)
IDS = torch.tensor([0, 1, 1])


def join(x=X, y=X, scale=SCALE, relation=None, *, unit=True, check_inputs=True):
    settings = EngineSettings(check_inputs=check_inputs)
    return join_pairs(x, y, scale, relation, settings, unit=unit)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": torch.eye(4)}, r"MV1850: x has shape \(3, 3\)"),
        ({"y": torch.ones(3)}, r"y has shape \(3,\)"),
        ({"y": X.double()}, "torch.float64; expected .* of one dtype"),
        ({"y": X[:2]}, r"MV1850: x has \[3\] rows and y has \[2\] rows per rank"),
        ({"scale": torch.ones(2)}, r"MV1850: the logit scale has shape \(2,\)"),
        ({"x": X[:0], "y": X[:0]}, "MV1851: the batch holds no rows on any rank"),
        ({"x": X.long()}, "MV1854: x is torch.int64; expected a floating point tensor"),
        ({"x": [[1.0]]}, "MV1854: x is list"),
        ({"scale": 3.0}, "MV1854: the logit scale is float"),
        ({"y": X / 0}, "MV1852: y holds NaN or Inf - look for a diverged"),
        ({"scale": SCALE / 0}, "MV1852: x holds NaN or Inf"),
        ({"x": 1.1 * X}, "MV1801: rows of x are not of unit length - normalise"),
    ],
)
def test_join_pairs__refuses_embeddings(arguments, message):
    with pytest.raises(LossError, match=message):
        join(**arguments)


@pytest.mark.parametrize(
    ("relation", "message"),
    [
        (PairRelation(group=IDS.int()), r"MV1803: group has shape \(3,\) and dtype torch.int32"),
        (PairRelation(group=IDS[:2]), r"group has shape \(2,\) .* expected \(3,\) int64"),
        (PairRelation(group_y=IDS), "MV1803: group has shape"),
        (PairRelation(weight=IDS), "MV1803: weight has shape .* torch.int64"),
        (PairRelation(weight=-torch.ones(3)), "MV1803: a weight is negative or not finite"),
        (PairRelation(concept=IDS), "MV1803: concept ids without a table"),
        (PairRelation(related=TABLE), "MV1803: a table of related concepts without concept ids"),
        (PairRelation(concept=IDS, related=TABLE > 0), "MV1803: related has shape"),
        (PairRelation(concept=IDS, related=TABLE.repeat(1, 2)), r"related has shape \(2, 2\)"),
        (PairRelation(concept=IDS + 1, related=TABLE), "MV1803: a concept id is outside"),
        (PairRelation(concept=IDS - 2, related=TABLE), "MV1803: a concept id is outside"),
    ],
)
def test_join_pairs__refuses_relations(relation, message):
    with pytest.raises(LossError, match=message):
        join(relation=relation)


def test_join_pairs__takes_unit_vectors_rounded_to_bf16():
    generator = torch.Generator().manual_seed(0)
    x = torch.nn.functional.normalize(torch.randn(50, 7, generator=generator)).bfloat16()
    assert join(x, x).num_x == 50
    assert join(x.float(), x.float()).num_x == 50


def test_join_pairs__does_not_look_at_values_unless_asked():
    assert join(2 * X, X / 0, check_inputs=False).counts_x == [3]
    assert join(2 * X, 5 * X, unit=False).counts_y == [3]


def test_check_positives__refuses_or_tells_who_has_one():
    relation = PairRelation(group=torch.tensor([0, 1, 2]), group_y=torch.tensor([0, 0, 3]))
    pairs = join(relation=relation)
    has_x, has_y = check_positives(pairs, "skip")
    assert has_x.tolist() == [True, False, False]
    assert has_y.tolist() == [True, True, False]
    with pytest.raises(LossError, match="MV1855: 2 of 3 rows of x and 1 of 3 rows of y"):
        check_positives(pairs, "refuse")
