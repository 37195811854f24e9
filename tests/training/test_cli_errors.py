"""What the argument parser complains about becomes an error with key, value and nearest name."""

import pytest

from medvlp.training.cli_errors import config_sources, parser_error

VALID = {"data.batch_size", "data.folder", "model.seed", "data", "model"}


@pytest.mark.parametrize(
    ("message", "code", "expected"),
    [
        (
            "unrecognized arguments: --data.batch_sise 3",
            "MV1001",
            "x.yaml: data.batch_sise is not a known key (did you mean 'data.batch_size'?); "
            "expected one of ['data.batch_size', 'data.folder']",
        ),
        (
            "unrecognized arguments: --modell=3",
            "MV1001",
            "x.yaml: modell is not a known key (did you mean 'model'?); "
            "expected one of ['data', 'model']",
        ),
        (
            "Subcommand 'fit' does not accept option 'model.sed'",
            "MV1001",
            "x.yaml: model.sed is not a known key (did you mean 'model.seed'?); "
            "expected one of ['model.seed']",
        ),
        (
            "the following arguments are required: fit.run.folder, fit.run.name",
            "MV1002",
            "x.yaml: run.folder, run.name is missing; expected a value",
        ),
        (
            "Parser key \"fit.data.batch_size\":\n  Expected a <class 'int'>. Got value: many",
            "MV1002",
            "x.yaml: data.batch_size=many is not valid; expected <class 'int'>",
        ),
        (
            "Parser key \"config\":\nFile does not exist: 'y.yaml'",
            "MV1004",
            "File does not exist: 'y.yaml'; expected a YAML file",
        ),
        (
            "Problems parsing config: did not find expected node\n  in line 2",
            "MV1005",
            "x.yaml: Problems parsing config: did not find expected node in line 2; expected YAML",
        ),
        (
            'Parser key "fit.data.groups":\n  Does not validate against any of the Union subtypes\n'
            "  - Problem with given class_path 'medvlp.data.groups.GroupBatches':\n"
            "      Option 'coverag' is not accepted\n  Given value: {'coverag': 'one_chunk'}",
            "MV1001",
            "x.yaml: data.groups.coverag is not a known key "
            "(did you mean 'data.groups.coverage'?); expected one of "
            "['data.groups.coverage', 'data.groups.groups_per_batch', "
            "'data.groups.samples_per_group', 'data.groups.with_anchor']",
        ),
        ("something else", "MV1002", "x.yaml: something else"),
    ],
)
def test_parser_error__says_what_is_wrong_where(message, code, expected):
    error = parser_error(message, VALID, "x.yaml")
    assert (error.code, error.reason) == (code, expected)


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["fit", "--config", "a.yaml", "-c", "b.yaml"], "a.yaml, b.yaml"),
        (["fit", "--config=a.yaml"], "a.yaml"),
        (["fit", "--seed_everything", "1"], "the command line"),
    ],
)
def test_config_sources__are_the_files_on_the_command_line(args, expected):
    assert config_sources(args) == expected
