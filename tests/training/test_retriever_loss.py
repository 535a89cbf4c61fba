"""The loss by its definition, and its gradients with and without the cache."""

import math
from pathlib import Path

import pytest
import torch
from sentence_transformers import SentenceTransformer
from torch.nn.functional import cosine_similarity

from goat_ray.training.retriever_loss import NEEDED, NEGATIVE, PADDING, MultiPositiveLoss, info_nce
from tests.training.conftest import small_embedder

QUERIES = [f"find the {noun} of the film that won in {1950 + n}" for n, noun in enumerate("cast poster year".split())]
DOCUMENTS = [f"GET /{noun}: returns one {noun}" for noun in "cast poster year song genre".split()]
RELATION = torch.tensor([[1, 0, 0, 0, -1], [1, 1, 0, 0, -1], [0, 0, 1, 1, -1]])
TEMPERATURE = 0.1


def test_each_needed_document_is_told_from_the_negatives_alone() -> None:
    logits = torch.tensor([[2.0, 1.0, -1.0, 9.0]])
    relation = torch.tensor([[NEEDED, NEEDED, NEGATIVE, PADDING]])
    rest = math.exp(-1.0)
    by_hand = -math.log(math.exp(2) / (math.exp(2) + rest)) - math.log(math.exp(1) / (math.exp(1) + rest))
    assert float(info_nce(logits, relation)) == pytest.approx(by_hand, abs=1e-6)


def test_with_one_needed_document_a_query_it_is_cross_entropy() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    expected = torch.nn.functional.cross_entropy(logits, torch.arange(4), reduction="sum")
    assert torch.allclose(info_nce(logits, torch.eye(4, dtype=torch.long)), expected)


def test_a_query_without_negatives_costs_nothing_and_has_finite_gradients() -> None:
    logits = torch.tensor([[3.0, -2.0]], requires_grad=True)
    loss = info_nce(logits, torch.tensor([[NEEDED, NEEDED]]))
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None and torch.equal(logits.grad, torch.zeros(1, 2))


def plain_loss(model: SentenceTransformer) -> torch.Tensor:
    """The definition, pair by pair."""
    queries, documents = (model(model.preprocess(texts))["sentence_embedding"] for texts in (QUERIES, DOCUMENTS))
    total = torch.zeros(())
    for query, row in zip(queries, RELATION.tolist(), strict=True):
        similar = [cosine_similarity(query, document, dim=0) / TEMPERATURE for document in documents]
        negatives = [similar[at] for at, kind in enumerate(row) if kind == NEGATIVE]
        for at, kind in enumerate(row):
            if kind == NEEDED:
                total = total - torch.log_softmax(torch.stack([similar[at], *negatives]), dim=0)[0]
    return total


@pytest.mark.parametrize("chunk", [None, 1, 2, 64])
def test_gradients_are_those_of_the_definition_cached_or_not(tmp_path: Path, chunk: int | None) -> None:
    model = small_embedder(tmp_path)
    loss = MultiPositiveLoss(model, TEMPERATURE, chunk)
    columns = [model.preprocess(texts) for texts in (QUERIES, DOCUMENTS)]
    found = loss(columns, RELATION)
    (found * 0.5).backward()  # a factor reaches the second pass as well
    gradients = {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}
    model.zero_grad()
    expected = plain_loss(model)
    (expected * 0.5).backward()
    assert found.item() == pytest.approx(expected.item(), abs=1e-5)
    for name, value in model.named_parameters():
        if value.grad is not None:
            assert torch.allclose(gradients[name], value.grad, atol=1e-5), name


@pytest.mark.parametrize("chunk", [None, 2])
def test_bf16_is_near_the_definition_and_keeps_weights_whole(tmp_path: Path, chunk: int | None) -> None:
    model = small_embedder(tmp_path)
    loss = MultiPositiveLoss(model, TEMPERATURE, chunk, bf16=True)
    found = loss([model.preprocess(texts) for texts in (QUERIES, DOCUMENTS)], RELATION)
    found.backward()
    gradients = [value.grad for value in model.parameters() if value.grad is not None]
    assert {one.dtype for one in gradients} == {torch.float32}
    half = torch.cat([one.flatten() for one in gradients])
    model.zero_grad()
    expected = plain_loss(model)
    expected.backward()
    full = torch.cat([value.grad.flatten() for value in model.parameters() if value.grad is not None])
    pairs = int((RELATION == NEEDED).sum())
    assert found.item() != expected.item()
    assert found.item() / pairs == pytest.approx(expected.item() / pairs, abs=2e-2)
    assert cosine_similarity(half, full, dim=0) > 0.99


def test_the_cache_replays_dropout(tmp_path: Path) -> None:
    model = small_embedder(tmp_path, dropout=0.5).train()
    columns = [model.preprocess(texts) for texts in (QUERIES, DOCUMENTS)]
    gradients = []
    for chunk in (None, 64):  # one chunk a column: the same random numbers as without the cache
        torch.manual_seed(0)
        model.zero_grad()
        MultiPositiveLoss(model, TEMPERATURE, chunk)(columns, RELATION).backward()
        gradients.append(torch.cat([v.grad.flatten() for v in model.parameters() if v.grad is not None]))
    assert torch.allclose(*gradients, atol=1e-5)
