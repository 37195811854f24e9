"""A run that goes on with another program is told what has changed."""

from medvlp.training.checkpoints.origin import changed_parts, program_parts


def test_changed_parts__names_what_is_another_version() -> None:
    parts = program_parts()
    assert changed_parts(parts) == []
    found = changed_parts(parts | {"torch": "1.0", "code": "0" * 12, "gone": "3"})
    assert found == [
        f"code was 000000000000 and is {parts['code']}",
        f"torch was 1.0 and is {parts['torch']}",
    ]
