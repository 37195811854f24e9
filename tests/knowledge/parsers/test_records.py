import pytest

from medvlp.errors import KnowledgeError
from medvlp.knowledge.parsers.records import broken_source, read_source_text


def test_read_source_text__drops_a_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert read_source_text(path) == "hello"


def test_read_source_text__refuses_utf_16(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("id: X:1\n".encode("utf-16"))
    with pytest.raises(KnowledgeError, match=r"MV2006.*not UTF-8 \(byte 0xff in line 1\)"):
        read_source_text(path)


def test_broken_source__names_the_line_where_there_is_one(tmp_path):
    assert broken_source(tmp_path / "a", 3, "x").what.endswith("a line 3: x")
    assert broken_source(tmp_path / "a", None, "x").what.endswith("a: x")
