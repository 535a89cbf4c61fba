"""What each worker of a retriever training does: sentence-transformers' loss in a Ray Train loop."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from transformers import get_scheduler

from goat_ray.graph.embedding import load_embedder
from goat_ray.identity import rng
from goat_ray.training.config import RetrieverTrainingConfig
from goat_ray.training.jobs import RetrieverJob
from goat_ray.training.launch import use_cores
from goat_ray.training.meter import Meter
from goat_ray.training.models import quiet_libraries
from goat_ray.training.pairs import DUPLICATE, WITHOUT_NEGATIVE, Pairs, distinct_batches, load_pairs
from goat_ray.training.progress import Progress, RetrieverReport
from goat_ray.training.publishing import published, write_report

GRADIENT_CLIPPING = 1.0  # as sentence-transformers' own trainer does
_STATE = "state.pt"


def epoch_batches(pairs: Pairs, config: RetrieverTrainingConfig, epoch: int) -> list[list[int]]:
    """The pairs of each step of an epoch, over all workers."""
    batches = distinct_batches(pairs.indices, config.batch_size, rng("pairs", config.seed, epoch))
    # One pair alone has no negatives, and each worker needs a share.
    return [batch for batch in batches if len(batch) >= max(2, config.workers)]


def retriever_loop(settings: dict[str, Any]) -> None:
    """Train until done; continues from the latest epoch's end if there is one."""
    job: RetrieverJob = settings["job"]
    quiet_libraries(gpu=job.config.gpus_per_worker > 0)
    use_cores(ray.train.get_context().get_local_world_size())
    _Worker(job, settings["lines"].put).run()


class _Worker:
    """One rank of the training."""

    def __init__(self, job: RetrieverJob, say: Callable[[str], None]) -> None:
        self.job, self.config = job, job.config
        context = ray.train.get_context()
        self.rank, self.world = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        self.pairs = load_pairs(job.pairs, "train")
        self.epochs = [self._batches(self.pairs, epoch) for epoch in range(self.config.epochs)]
        self.total = sum(map(len, self.epochs))
        self._build()
        self.state = self._resume()
        self.meter = Meter(self.state, self.total, job.config.log_every, self.device, say if self.rank == 0 else None)

    def _build(self) -> None:
        config = self.config
        self.model = load_embedder(self.job.base, str(self.device))
        self.model.max_seq_length = config.max_length
        # The whole loss is the distributed module: one forward and one backward per step, so that queries
        # and documents may pass through the model one after the other.
        loss = MultipleNegativesRankingLoss(
            self.model, scale=1 / config.temperature, gather_across_devices=self.world > 1
        )
        # BERT's pooler takes no part in the embedding and gets no gradient.
        self.loss = ray.train.torch.prepare_model(loss, parallel_strategy_kwargs={"find_unused_parameters": True})
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        warmup = round(config.warmup_fraction * self.total)
        self.schedule = get_scheduler("linear", self.optimizer, warmup, self.total)

    def _batches(self, pairs: Pairs, epoch: int) -> list[list[int]]:
        """This rank's share of each step. All ranks make as many steps, with as many pairs in each."""
        shuffled = epoch_batches(pairs, self.config, epoch)
        shares = [len(batch) // self.world for batch in shuffled]
        return [
            batch[self.rank * share : (self.rank + 1) * share] for batch, share in zip(shuffled, shares, strict=True)
        ]

    def run(self) -> None:
        """All epochs that are left, then the output."""
        held_out = load_pairs(self.job.pairs, "validation")
        for epoch in range(self.state.epoch, self.config.epochs):
            with self.meter.timed():
                for rows in self.epochs[epoch]:
                    self._step(rows)
            self.state.epoch, self.state.done = epoch + 1, 0
            self._validate(held_out)
            self._checkpoint()
        self._publish()

    # --- steps -----------------------------------------------------------------------------------

    def _step(self, rows: list[int]) -> None:
        # The same numbers after a resume as without it, dropout included.
        torch.manual_seed(rng("step", self.config.seed, self.state.step, self.rank).getrandbits(63))
        self.model.train()
        loss, tokens = self._mean_loss(self.pairs, rows)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_CLIPPING)
        learning_rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.meter.add(loss.detach() * len(rows), len(rows), tokens)
        self.meter.step(learning_rate)

    def _mean_loss(self, pairs: Pairs, rows: list[int]) -> tuple[torch.Tensor, int]:
        """The loss of this rank's rows against all ranks' documents, and the tokens it read."""
        columns = [self.model.preprocess(texts) for texts in pairs.texts(rows)]
        tokens = sum(int(column["attention_mask"].sum()) for column in columns)
        moved = [
            {name: value.to(self.device) for name, value in column.items() if torch.is_tensor(value)}
            for column in columns
        ]
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bf16"):
            return self.loss(moved, None), tokens

    @torch.no_grad()
    def _validate(self, held_out: Pairs) -> None:
        batches = self._batches(held_out, epoch=0)
        if not batches:
            return
        self.model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for rows in batches:
            sums[0] += self._mean_loss(held_out, rows)[0] * len(rows)
            sums[1] += len(rows)
        if self.world > 1:
            dist.all_reduce(sums)
        loss = self.state.validation_loss = float(sums[0] / sums[1])
        self.meter.say(f"epoch {self.state.epoch}/{self.config.epochs}  validation loss {loss:.4f}")

    # --- checkpoints and output ------------------------------------------------------------------

    def _resume(self) -> Progress:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return Progress()
        with checkpoint.as_directory() as folder:
            saved = torch.load(Path(folder) / _STATE, map_location=self.device, weights_only=True)
            self.model.load_state_dict(saved["model"])
            self.optimizer.load_state_dict(saved["optimizer"])
            self.schedule.load_state_dict(saved["schedule"])
            return Progress.read(Path(folder))

    def _checkpoint(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            if self.rank == 0:
                parts = {"model": self.model, "optimizer": self.optimizer, "schedule": self.schedule}
                torch.save({name: part.state_dict() for name, part in parts.items()}, Path(folder) / _STATE)
                self.state.write(Path(folder))
            ray.train.report(
                {"step": self.state.step},
                checkpoint=ray.train.Checkpoint.from_directory(folder) if self.rank == 0 else None,
                checkpoint_dir_name=f"step-{self.state.step:08}",
            )

    def _publish(self) -> None:
        if self.rank == 0:
            with published(Path(self.job.output), self.job.fingerprint) as folder:
                self.model.save_pretrained(str(folder), create_model_card=False)
                self.state.write_losses(folder)
                write_report(folder, self.job.fingerprint, self._report())

    def _report(self) -> RetrieverReport:
        state = self.state
        trained = sum(len(rows) for epoch in self.epochs for rows in epoch) * self.world
        skipped = len(self.pairs.indices) - sum(map(len, self.epochs[0])) * self.world
        dropped = {DUPLICATE: self.pairs.duplicates, WITHOUT_NEGATIVE: skipped}
        return RetrieverReport(
            steps=state.step,
            resumed_at=self.meter.resumed_at,
            first_loss=state.losses[0].loss,
            last_loss=state.losses[-1].loss,
            validation_loss=state.validation_loss,
            pairs=len(self.pairs.indices),
            pairs_per_second=round(trained / max(state.seconds, 1e-9), 1),
            seconds=round(state.seconds, 3),
            dropped={reason: count for reason, count in dropped.items() if count},
        )
