"""A model and an adapter as the trainings and ``goat merge-adapter`` leave them, without Ray."""

import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing import spawn

from goat_ray.training.batches import micro_batches
from goat_ray.training.config import AgentTrainingConfig
from goat_ray.training.deepspeed_settings import deepspeed_settings
from goat_ray.training.lineage import Lineage
from goat_ray.training.merging import merge_adapter
from goat_ray.training.models import build_engine, quiet_libraries, save_model
from goat_ray.training.publishing import write_report
from goat_ray.training.stepping import train_step
from goat_ray.training.tokenization import load_tokenizer, tokenize
from tests.conftest import free_port
from tests.training.conftest import make_example
from tests.training.test_engines import share
from tests.training.test_merging import REPORT


def merged_and_adapted(base: Path, folder: Path) -> tuple[Path, Path]:
    """The base with a first adapter merged in, and a second adapter on that; made in a process of its own."""
    spawn(_work, (free_port(), base, folder), nprocs=1)
    return folder / "merged", folder / "adapter"


def _work(rank: int, port: int, base: Path, folder: Path) -> None:
    quiet_libraries(gpu=False)
    torch.set_num_threads(1)
    os.environ["LOCAL_RANK"] = "0"
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=rank, world_size=1)
    _train(base, folder / "first", learning_rate=1e-2)
    merge_adapter(folder / "first", folder / "merged")
    _train(folder / "merged", folder / "adapter", learning_rate=0.3)
    dist.destroy_process_group()


def _train(base: Path, folder: Path, learning_rate: float) -> None:
    """Three steps of four examples."""
    config = AgentTrainingConfig(
        base_model=str(base), learning_rate=learning_rate, gradient_accumulation=1, max_length=512, zero_stage=1
    )
    engine = build_engine(str(base), config, deepspeed_settings(config), steps=3)
    tokenizer = load_tokenizer(str(base))
    found = [tokenize(make_example(number), tokenizer, config.max_length) for number in range(4)]
    rows = share([one for one in found if not isinstance(one, str)], rank=0, workers=1)
    for _ in range(3):
        train_step(engine, micro_batches(rows, 1, padding=0))
    save_model(engine, tokenizer, folder)
    settings = config.model_dump(mode="json")
    lineage = Lineage(name=folder.name, base=str(base), examples="made", corpus="c0ffee", config=settings)
    write_report(folder, folder.name, REPORT, lineage)
