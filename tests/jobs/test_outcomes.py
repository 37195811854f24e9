"""A report counts honestly."""

from medvlp.jobs.outcomes import JobReport, Outcome


def test_report__fails_when_one_item_failed() -> None:
    good = Outcome("a", "a", "done", 1.0)
    bad = Outcome("b", "b", "failed", 1.0, "open", "MV1201", "broken")
    report = JobReport((good, bad))
    assert report.failures == (bad,)
    assert report.exit_code == 1


def test_report__is_good_when_all_are_done_or_reused() -> None:
    report = JobReport((Outcome("a", "a", "done", 1.0), Outcome("b", "b", "reused", 0.0)))
    assert report.failures == ()
    assert report.exit_code == 0
