import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.documents.decoding import as_utf8
from goat_ray.documents.flaws import Binary, Empty, TooDeep, TooLarge, Unreadable
from goat_ray.documents.loading import MAX_NESTING
from goat_ray.identity import canonical_json

from .writing import source


@pytest.mark.parametrize(
    ("yaml", "value"),
    [
        ("2024-01-31", "2024-01-31"),
        ("2024-01-31T10:00:00Z", "2024-01-31T10:00:00Z"),
        ("12:30:45", "12:30:45"),
        ("no", "no"),
        ("On", "On"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("", None),
        ("42", 42),
        ("-7", -7),
        ("0o17", 15),
        ("0x1F", 31),
        ("090", "090"),
        ("+4420", "+4420"),
        ("1_000", "1_000"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        ("1e999", "1e999"),
        (".inf", ".inf"),
        ("=", "="),
        ("!!timestamp 2024-01-31", "2024-01-31"),
        ("!!set {a, b}", {"a": None, "b": None}),
    ],
)
def test_yaml_scalars_are_what_json_can_say(yaml, value):
    found = source(f"key: {yaml}\n").tree["key"]
    assert found == value
    assert type(found) is type(value)


def test_keys_are_strings_as_written_and_the_last_of_two_wins():
    assert source("200: a\ntrue: b\n1.0: c\n404: d\n404: e\n").tree == {"200": "a", "true": "b", "1.0": "c", "404": "e"}


def test_merge_keys_fill_in_what_is_not_there():
    text = "deep: {er: {base: &base {a: 1, b: 2}}}\nother: &other {b: 3, c: 3}\nuse: {<<: [*base, *other], c: 4}\n"
    assert source(text).tree["use"] == {"a": 1, "b": 2, "c": 4}


def test_a_byte_order_mark_and_json_in_a_yaml_file_are_fine():
    assert source(b'\xef\xbb\xbf {"a": 1}', path="x.yaml").tree == {"a": 1}


def test_half_a_surrogate_pair_is_replaced():
    tree = source(r'{"whole": "\ud83d\ude00", "half": "a\ud83d"}').tree
    assert tree == {"whole": "😀", "half": "a�"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_every_unicode_encoding_is_read(encoding):
    assert as_utf8('{"a": "Zoë 😀"}'.encode(encoding), "x").decode() == '{"a": "Zoë 😀"}'


@pytest.mark.parametrize(
    ("content", "flaw", "problem"),
    [
        ("Zoë".encode("latin-1"), Unreadable, r"x: is not UTF-8: .* at byte 2 \(0xeb\)\. .*CP1252"),
        (b"\xff\xfea\0b", Unreadable, r"is not UTF-16-LE: truncated data at byte 4"),
        (b"", Empty, "has nothing in it"),
        (b"\xef\xbb\xbf \n", Empty, "has nothing in it"),
        (b"a: b\0c", Binary, "NUL"),
        (b"\x00\x00\xff\x80x", Binary, "NUL"),
        (b"PK\x03\x04 openapi", Binary, "is a zip archive.*Unpack"),
    ],
)
def test_what_is_no_text_is_told_apart(content, flaw, problem):
    with pytest.raises(flaw, match=problem):
        as_utf8(content, "x")


def test_halves_of_pairs_are_found_beside_whole_ones():
    text = r'{"a": "\ud83d\ude00", "b": "\\ud83d\udc00", "c": "\\\ud83d\udc00\ud83d"}'
    assert source(text).tree == {"a": "😀", "b": "\\ud83d\ufffd", "c": "\\🐀\ufffd"}


def test_numbers_that_are_too_large_stay_texts():
    assert source('{"a": 1e999, "b": [-2.5e400, 1.5]}').tree == {"a": "1e999", "b": ["-2.5e400", 1.5]}


def test_a_merged_object_comes_before_what_the_object_says_itself():
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {w: 0, <<: [*a, *b], x: 3, '<<': 4}\n"
    assert list(source(text).tree["c"].items()) == [("y", 1), ("z", 2), ("x", 3), ("w", 0), ("<<", 4)]


def test_aliases_may_be_keys_and_anchors_may_move():
    assert source("&k key: 1\nother: {*k : 2}\n").tree == {"key": 1, "other": {"key": 2}}
    assert source("a: &x 1\nb: *x\nc: &x 2\nd: *x\n").tree == {"a": 1, "b": 1, "c": 2, "d": 2}


@pytest.mark.parametrize(
    "content",
    [
        "a: *nothing",
        "a: {<<: 1}",
        "a: !!map [1]",
        "a: !!seq {b: 1}",
        "a: !!int x",
        "a: &x {b: {<<: *x}}",
        "a: &x {}\n*x : 1",
        '{"a": 1,}',
        '{"a": NaN}',
        "a: [1",
        "a: &x {<<: *x}",
        "a: !!python/object/apply:os.system [ls]",
        "a: !!bool maybe",
        "? [1, 2]\n: 3",
        "a: 1\n---\nb: 2",
        "a: " + "9" * 5000,
        '{"a": ' + "9" * 5000 + "}",
    ],
)
def test_what_is_neither_json_nor_yaml_is_unreadable(content):
    with pytest.raises(Unreadable, match=r"^api\.json: is not well-formed .*Mend the file$"):
        _ = source(content).tree


def bombs():
    lines = ["a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    merges = ["m0: &m0 {a: 1, b: 2}"]
    merges += [f"m{i}: &m{i} {{k{i}: 1, <<: [{', '.join([f'*m{i - 1}'] * 9)}]}}" for i in range(1, 12)]
    wide = ["w: &w {" + ", ".join(f"k{i}: 1" for i in range(2000)) + "}", f"x: {{<<: [{', '.join(['*w'] * 4000)}]}}"]
    return {"aliases": "\n".join(lines), "wide merges": "\n".join(wide)}, "\n".join(merges)


@pytest.mark.parametrize("name", ["aliases", "wide merges"])
def test_a_yaml_bomb_does_not_expand(name):
    with pytest.raises((TooLarge, Unreadable)):
        _ = source(bombs()[0][name]).tree


def test_nested_merges_do_not_grow():
    assert len(source(bombs()[1]).tree["m11"]) == 13


@pytest.mark.parametrize(
    "content",
    [
        "[" * 10_000 + "]" * 10_000,
        '{"a":' * 10_000 + "1" + "}" * 10_000,
        '{"a":' * (MAX_NESTING + 1) + "1" + "}" * (MAX_NESTING + 1),
        "a: &a [*a]",
        "b: &b {c: *b}",
    ],
)
def test_deep_and_endless_nesting_is_refused(content):
    with pytest.raises(TooDeep, match="nested more than"):
        _ = source(content).tree


def test_deeply_nested_yaml_is_refused():
    with pytest.raises((TooDeep, Unreadable)):  # libyaml itself stops at some depth
        _ = source("".join(" " * i + "a:\n" for i in range(5_000))).tree


def test_a_chain_of_merges_as_long_as_a_book_is_refused_or_read():
    text = "m0: &m0 {a: 1}\n" + "".join(f"m{i}: &m{i} {{<<: *m{i - 1}}}\n" for i in range(1, 5_000))
    with contextlib.suppress(TooDeep):
        assert source(text).tree["m4999"] == {"a": 1}


def test_the_number_of_values_is_bounded():
    assert source("[1, 2]", max_nodes=3).tree == [1, 2]
    with pytest.raises(TooLarge, match=r"documents\.max_nodes"):
        _ = source("[1, 2, 3]", max_nodes=3).tree


@given(st.text(alphabet="{}[]&*!:<-?|>'\"#%@, \n01ax~."))
def test_no_text_does_worse_than_a_flaw(text):
    with contextlib.suppress(Unreadable, TooDeep, TooLarge):
        canonical_json(source(text).tree)
