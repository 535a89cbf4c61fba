"""What each worker of a retriever training does: a Ray Train loop around the loss of retriever_loss.py."""

import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
import torch.distributed as dist
from transformers import get_scheduler

from goat_ray.graph.embedding import load_embedder
from goat_ray.identity import rng
from goat_ray.places import Place
from goat_ray.training.jobs import RetrieverJob
from goat_ray.training.launch import use_cores
from goat_ray.training.meter import Meter
from goat_ray.training.models import quiet_libraries
from goat_ray.training.progress import Progress, RetrieverReport
from goat_ray.training.publishing import published, write_report
from goat_ray.training.ray_metrics import RayMetrics
from goat_ray.training.retriever_data import RetrievalData, batch_count, load_retrieval_data
from goat_ray.training.retriever_loss import MultiPositiveLoss

GRADIENT_CLIPPING = 1.0  # as sentence-transformers' own trainer does
_STATE = "state.pt"

DUPLICATE = "duplicate"
"""Why an example is left out: the same query came before. What both need is kept."""


def retriever_loop(settings: dict[str, Any]) -> None:
    """Train until done; continues from the run's latest checkpoint if there is one."""
    job: RetrieverJob = settings["job"]
    quiet_libraries(gpu=job.config.gpus_per_worker > 0)
    use_cores(ray.train.get_context().get_local_world_size())
    worker = _Worker(job, settings["lines"].put)
    with closing(worker.meter):
        worker.run()


class _Worker:
    """One rank of the training."""

    def __init__(self, job: RetrieverJob, say: Callable[[str], None]) -> None:
        self.job, self.config = job, job.config
        context = ray.train.get_context()
        self.rank, self.world = context.get_world_rank(), context.get_world_size()
        self.device = ray.train.torch.get_device()
        self.data = load_retrieval_data(job.examples, "train")
        self.total = self.config.epochs * batch_count(len(self.data.queries), self.config.batch_size)
        self._build()
        self.state = self._resume()
        first = self.rank == 0
        self.meter = Meter(
            self.state,
            self.total,
            job.config.log_every,
            self.device,
            say if first else None,
            [RayMetrics(Place.of(job.output).name)] if first else (),
        )

    def _build(self) -> None:
        config = self.config
        self.model = load_embedder(self.job.base, str(self.device))
        self.model.max_seq_length = config.max_length
        # BERT's pooler takes no part in the embedding and gets no gradient.
        spread = ray.train.torch.prepare_model(self.model, parallel_strategy_kwargs={"find_unused_parameters": True})
        self.loss = MultiPositiveLoss(spread, config.temperature, config.chunk, bf16=config.precision == "bf16")
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        warmup = round(config.warmup_fraction * self.total)
        self.schedule = get_scheduler("linear", self.optimizer, warmup, self.total)

    def _batches(self, data: RetrievalData, epoch: int) -> list[list[int]]:
        return data.batches(self.config.batch_size, rng("batches", self.config.seed, epoch))

    def run(self) -> None:
        """All epochs that are left, then the output."""
        held_out = load_retrieval_data(self.job.examples, "validation")
        for epoch in range(self.state.epoch, self.config.epochs):
            batches = self._batches(self.data, epoch)
            with self.meter.timed():
                for batch in batches[self.state.done :]:
                    self._step(batch)
                    if self.state.done < len(batches) and self.state.step % self.config.checkpoint_every == 0:
                        with self.meter.paused():
                            self._checkpoint()
            self.state.epoch, self.state.done = epoch + 1, 0
            self._validate(held_out)
            self._checkpoint()
        self._publish()

    # --- steps -----------------------------------------------------------------------------------

    def _step(self, batch: list[int]) -> None:
        # The same numbers after a resume as without it, dropout included.
        torch.manual_seed(rng("step", self.config.seed, self.state.step, self.rank).getrandbits(63))
        self.model.train()
        loss, pairs, tokens = self._summed_loss(self.data, batch)
        self.optimizer.zero_grad()
        (loss * self.world / pairs).backward()  # the workers' gradients are averaged
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), GRADIENT_CLIPPING)
        learning_rate = self.schedule.get_last_lr()[0]
        self.optimizer.step()
        self.schedule.step()
        self.meter.add(loss.detach(), pairs / self.world, tokens)
        self.meter.step(learning_rate)

    def _summed_loss(self, data: RetrievalData, batch: list[int]) -> tuple[torch.Tensor, int, int]:
        """The loss summed over this rank's pairs, the pairs of all ranks, and the tokens that this rank read."""
        share = data.share(batch, self.rank, self.world)
        columns = [self.model.preprocess(texts) for texts in (share.queries, share.documents)]
        tokens = sum(int(column["attention_mask"].sum()) for column in columns)
        moved = [
            {name: value.to(self.device) for name, value in column.items() if torch.is_tensor(value)}
            for column in columns
        ]
        return self.loss(moved, share.relation.to(self.device)), share.pairs, tokens

    @torch.no_grad()
    def _validate(self, held_out: RetrievalData) -> None:
        batches = [batch for batch in self._batches(held_out, epoch=0) if len(batch) >= self.world]
        if not batches:
            return
        self.model.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.device)
        for batch in batches:
            loss, pairs, _ = self._summed_loss(held_out, batch)
            sums += torch.tensor([float(loss), pairs / self.world], dtype=torch.float64, device=self.device)
        if self.world > 1:
            dist.all_reduce(sums)
        self.meter.validated(float(sums[0] / sums[1]), f"epoch {self.state.epoch}/{self.config.epochs}")

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
            with published(self.job.output) as folder:
                self.model.save_pretrained(str(folder), create_model_card=False)
                self.state.write_losses(folder)
                write_report(folder, self.job.fingerprint, self._report(), self.job.lineage)

    def _report(self) -> RetrieverReport:
        state, data = self.state, self.data
        return RetrieverReport(
            steps=state.step,
            resumed_at=self.meter.resumed_at,
            first_loss=state.losses[0].loss,
            last_loss=state.losses[-1].loss,
            validation_loss=state.validation_loss,
            queries=len(data.queries),
            documents=len(data.documents),
            queries_per_second=round(self.config.epochs * len(data.queries) / max(state.seconds, 1e-9), 1),
            seconds=round(state.seconds, 3),
            dropped={DUPLICATE: data.duplicates} if data.duplicates else {},
        )
