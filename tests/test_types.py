from medvlp.types import VolumePreprocessing


def test_volume_preprocessing__states_the_size_of_its_box_in_mm() -> None:
    preprocessing = VolumePreprocessing(
        spacing_mm=(4.0, 1.0, 1.5),
        shape_zyx=(32, 128, 96),
        orientation="LPS",
        axes="zxy",
        window_hu=(-200.0, 300.0),
    )
    assert preprocessing.box_mm == (128.0, 128.0, 144.0)
