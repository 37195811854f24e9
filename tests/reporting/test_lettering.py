from medvlp.reporting.lettering import fitted_text, label_font, shorten


def test_shorten__gives_one_printable_line() -> None:
    assert shorten("a\n b\x00\u202ec") == "a b c"
    assert shorten("x" * 60, 10) == "xxxxxxx..."
    assert shorten("x" * 10, 10) == "x" * 10


def test_fitted_text__is_not_wider_than_asked() -> None:
    font = label_font(14)
    cut = fitted_text("chromophobe renal cell carcinoma", font, 120)
    assert font.getlength(cut) <= 120
    assert cut.startswith("chromophobe")
    assert cut.endswith("...")
    assert fitted_text("short", font, 400) == "short"


def test_label_font__knows_the_micro_sign() -> None:
    font = label_font(14)
    assert font.getmask("\N{MICRO SIGN}").getbbox() != font.getmask("\uffff").getbbox()
