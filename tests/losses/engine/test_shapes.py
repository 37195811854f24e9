import pytest
import torch

from medvlp.losses.engine.shapes import static_problem
from medvlp.losses.relations import PairRelation, pack_related

X, SCALE = torch.eye(3), torch.tensor(10.0)
IDS = torch.tensor([0, 1, 1])
TABLE = pack_related(torch.ones(2, 2) > 0)


def test_static_problem__finds_none_in_what_fits():
    everything = PairRelation(
        group=IDS, concept=IDS, related=TABLE, ignore_same_concept=True, weight=torch.ones(3)
    )
    for relation in (PairRelation(), everything):
        assert static_problem(X, X, SCALE, relation) is None
    assert static_problem(X, X[:2], SCALE, PairRelation(group=IDS, group_y=IDS[:2])) is None


@pytest.mark.parametrize(
    ("relation", "what"),
    [
        (PairRelation(group=IDS), "group_y has shape (3,) and dtype torch.int64"),
        (PairRelation(weight=torch.ones(3)), "weight_y has shape (3,)"),
        (PairRelation(group=IDS, group_y=IDS[:2].float()), "group_y has shape (2,) and dtype"),
    ],
)
def test_static_problem__wants_ids_of_y_where_it_has_other_rows(relation, what):
    problem = static_problem(X, X[:2], SCALE, relation)
    assert problem is not None
    assert problem.code == "MV1803"
    assert what in str(problem)
