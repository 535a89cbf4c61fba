import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from goat_ray.documents import goat_corpus, rapidapi
from goat_ray.documents.flaws import NoOperations
from tests.documents.test_rapidapi import anything, apis, split, tool
from tests.documents.writing import source


def corpus(*contents):
    """A corpus of documents with these contents."""
    items = [{"docid": 10 + index, "document_content": content} for index, content in enumerate(contents)]
    return source(json.dumps(items))


def test_documents_are_read_from_text_and_from_objects():
    document = corpus(json.dumps(tool("a", template_response={"id": "int"})), tool("b"))
    assert goat_corpus.sniff(document) and not rapidapi.sniff(document)
    functions, rejects = split(goat_corpus.read(document))
    assert not rejects
    assert [(function.service, function.name, function.category) for function in functions] == [
        ("Zoo", "a", "Pets"),
        ("Zoo", "b", "Pets"),
    ]
    assert functions[0].output("$.id").type == "integer"


def test_a_function_has_the_same_id_in_a_corpus_and_in_a_query_file(shared):
    path = shared("rapidapi/g3_instruction.json")
    tree = json.loads(path.read_text())
    contents = [json.dumps(api) for query in tree for api in query["api_list"]]
    from_corpus, _ = split(goat_corpus.read(corpus(*contents)))
    from_queries, _ = split(rapidapi.read(source(path.read_bytes())))
    assert from_corpus == from_queries


@pytest.mark.parametrize("bad", ["", "{", "no json", "a: yaml", "[1]", None, 7, '{"tool_name": "Zoo"}', "[" * 9_999])
def test_a_malformed_document_is_rejected_by_its_docid_and_the_rest_goes_on(bad):
    (function,), (reject,) = split(goat_corpus.read(corpus(bad, tool("good"))))
    assert function.name == "good"
    assert "docid 10" in reject.detail


def test_halves_of_surrogate_pairs_do_no_harm():
    (function,), _ = split(goat_corpus.read(corpus('{"tool_name": "Zoo", "api_name": "a\\ud83d"}')))
    assert function.name == "a\ufffd"


@given(
    st.lists(
        st.fixed_dictionaries(
            {"document_content": apis | apis.map(json.dumps) | anything}, optional={"docid": anything}
        )
        | anything
    )
)
def test_no_tree_raises_and_no_document_is_lost(tree):
    try:
        functions, rejects = split(goat_corpus.read(source(json.dumps(tree))))
    except NoOperations:
        assert tree == []
        return
    names = {(function.service, function.name) for function in functions}
    for index, item in enumerate(tree):
        content = item.get("document_content") if isinstance(item, dict) else None
        if isinstance(content, str) and not any(f"#/{index}" in reject.detail for reject in rejects):
            content = json.loads(content)
        rejected = any(f"#/{index}" in reject.detail for reject in rejects)
        assert rejected or (content["tool_name"].strip(), content.get("api_name", content.get("name")).strip()) in names
