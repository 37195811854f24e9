from medvlp.text.reports.schema import load_schema
from medvlp.volumes.tumour_measures import measure_tumours
from medvlp.volumes.tumour_records import kidney_attributes
from tests.volumes.kidney_shapes import LEFT, RIGHT, ball, draw


def test_attributes__are_answers_of_the_schema_of_reports() -> None:
    schema = load_schema("kidney").attributes
    found = measure_tumours(draw([RIGHT, LEFT, ball((80, 0, 0), 30), ball((70, 20, -45), 14)]))
    answers = kidney_attributes(found, "left")
    assert set(answers) == {"mass", "mass_size", "number", "polar_location", "growth"}
    for name, answer in answers.items():
        assert answer in schema[name].class_names


def test_attributes__are_those_of_the_largest_tumour_of_the_side() -> None:
    shapes = [ball((80, 0, 0), 30), ball((70, 20, -45), 14), ball((-84, 0, 48), 46)]
    found = measure_tumours(draw([RIGHT, LEFT, *shapes]))
    assert kidney_attributes(found, "left") == {
        "mass": "present",
        "mass_size": "up to 4 cm",
        "number": "several",
        "polar_location": "interpolar",
        "growth": "partly exophytic",
    }
    assert kidney_attributes(found, "right") == {
        "mass": "present",
        "mass_size": "4 to 7 cm",
        "number": "one",
        "polar_location": "upper pole",
        "growth": "mostly exophytic",
    }


def test_attributes__leave_out_what_no_mask_can_tell() -> None:
    healthy = measure_tumours(draw([RIGHT, LEFT, ball((0, 0, -60), 20)]))
    assert kidney_attributes(healthy, "left") == {"mass": "absent"}
    assert kidney_attributes(healthy, "right") == {"mass": "absent"}
    alone = measure_tumours(draw([LEFT, ball((80, 0, 44), 30)]))
    assert kidney_attributes(alone, "left") == {}
    assert kidney_attributes(alone, "")["polar_location"] == "upper pole"
