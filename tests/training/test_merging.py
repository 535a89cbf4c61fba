import json
import shutil
from pathlib import Path

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer
from typer.testing import CliRunner

from goat_ray.cli import app
from goat_ray.errors import ModelError, RunError
from goat_ray.places import Place
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.lineage import CARD, Lineage, code_version
from goat_ray.training.merging import merge_adapter
from goat_ray.training.models import with_adapters
from goat_ray.training.progress import TrainingReport
from goat_ray.training.publishing import RECORD, write_report
from goat_ray.training.tiny import make_tiny_model

REPORT = TrainingReport(
    steps=8,
    resumed_at=0,
    first_loss=3.0,
    last_loss=1.0,
    validation_loss=1.5,
    tokens=900,
    tokens_per_second=90.0,
    peak_memory_gb=0.5,
    seconds=10.0,
    examples={"plan": 18},
    trained_tokens={"plan": 400},
    dropped={},
    cut_prompts=0,
)


@pytest.fixture(scope="module")
def adapter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An adapter whose weights are not those it began with, as a training leaves it."""
    folder = tmp_path_factory.mktemp("trained")
    base = make_tiny_model(folder / "base", ["find the film"] * 9, vocabulary=300, hidden=16, layers=2, heads=2)
    config = AgentTrainingConfig(base_model=str(base))
    model = with_adapters(AutoModelForCausalLM.from_pretrained(base), config)
    torch.manual_seed(0)
    for weight in model.parameters():
        if weight.requires_grad:
            torch.nn.init.normal_(weight, std=0.5)
    model.save_pretrained(folder / "agent")
    AutoTokenizer.from_pretrained(base).save_pretrained(folder / "agent")
    settings = config.model_dump(mode="json")
    lineage = Lineage(name="agent", base=str(base), examples="runs/1/examples", corpus="c0ffee", config=settings)
    write_report(folder / "agent", "f00d", REPORT, lineage)
    return folder / "agent"


def logits(model: torch.nn.Module) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(input_ids=torch.arange(5, 25)[None]).logits


def test_the_merged_model_is_the_adapter_on_its_base(adapter: Path, tmp_path: Path) -> None:
    output = tmp_path / "merged"
    result = CliRunner().invoke(app, ["merge-adapter", str(adapter), str(output)])
    assert result.exit_code == 0, result.output
    base = AutoModelForCausalLM.from_pretrained(adapter.parent / "base")
    before = logits(base)
    adapted = logits(PeftModel.from_pretrained(base, str(adapter)))
    merged = AutoModelForCausalLM.from_pretrained(output)
    torch.testing.assert_close(logits(merged), adapted, atol=1e-5, rtol=0)
    assert not torch.allclose(before, adapted, atol=0.1)
    assert {"model.safetensors", "tokenizer.json"} <= {path.name for path in output.iterdir()}
    assert AutoTokenizer.from_pretrained(output).chat_template


def test_base_adapter_and_output_may_lie_in_a_store(adapter: Path, store_folder: Place, tmp_path: Path) -> None:
    base, trained, merged = (store_folder / name for name in ("base", "agent", "merged"))
    for folder, place in ((adapter.parent / "base", base), (adapter, trained)):
        with place.filled() as filled:
            shutil.copytree(folder, filled, dirs_exist_ok=True)
    record = json.loads((trained / RECORD).read_bytes())
    record["lineage"]["base"] = str(base)
    (trained / RECORD).write_bytes(json.dumps(record).encode())
    merge_adapter(str(trained), str(merged))
    merge_adapter(adapter, tmp_path / "merged")
    ours, theirs = (AutoModelForCausalLM.from_pretrained(folder) for folder in (merged.fetch(), tmp_path / "merged"))
    torch.testing.assert_close(logits(ours), logits(theirs))


def test_cards_say_where_a_model_comes_from(adapter: Path, tmp_path: Path) -> None:
    merge_adapter(adapter, tmp_path / "merged")
    trained, merged = ((folder / "README.md").read_text() for folder in (adapter, tmp_path / "merged"))
    for card in (trained, merged):
        assert all(known in card for known in ("c0ffee", "f00d", "runs/1/examples", "plan: 400", '"q_proj"'))
        assert f'base_model: "{adapter.parent / "base"}"' in card
    assert 'library_name: "peft"' in trained and "# agent\n" in trained
    assert 'base_model_relation: "merge"' in merged and "# merged\n" in merged


def test_states_of_the_code_can_be_told_apart(adapter: Path, tmp_path: Path) -> None:
    assert f"goat-ray {code_version()} " in (adapter / CARD).read_text(encoding="utf-8")
    versions = set()
    for number, text in enumerate(("x = 1", "x = 2", "x = 1")):
        (tmp_path / f"{number}").mkdir()
        (tmp_path / f"{number}" / "module.py").write_text(text, encoding="utf-8")
        versions.add(code_version(tmp_path / f"{number}"))
    assert len(versions) == 2


def test_what_cannot_be_merged_is_a_clear_error(adapter: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no adapter of a training"):
        merge_adapter(adapter.parent / "base", tmp_path / "merged")
    with pytest.raises(RunError, match="not empty"):
        merge_adapter(adapter, adapter)
