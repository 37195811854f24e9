"""A share of the patients does not change from run to run, and grows without losing anyone."""

from medvlp.data.shares import chosen_share

KINDS = {f"p{number:03d}": number % 3 for number in range(60)}


def test_chosen_share__takes_each_kind_alike_and_depends_on_the_seed() -> None:
    chosen = chosen_share(KINDS, 0.25, 1)
    assert sorted(KINDS[name] for name in chosen) == [0] * 5 + [1] * 5 + [2] * 5
    assert chosen == chosen_share(dict(reversed(KINDS.items())), 0.25, 1)
    assert chosen != chosen_share(KINDS, 0.25, 2)


def test_chosen_share__is_part_of_a_larger_one_and_never_empty() -> None:
    small, large = (chosen_share(KINDS, share, 1) for share in (0.1, 0.6))
    assert small < large < chosen_share(KINDS, 1.0, 1) == frozenset(KINDS)
    assert len(chosen_share(KINDS, 0.001, 1)) == 3
