"""What each worker of an agent training does: DeepSpeed inside a Ray Train loop."""

from collections.abc import Callable
from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import ray.train
import torch
import torch.distributed as dist

from goat_ray.errors import RunError
from goat_ray.identity import rng
from goat_ray.places import Place
from goat_ray.training.batches import micro_batches, summed_loss
from goat_ray.training.checkpoints import Checkpoints
from goat_ray.training.jobs import AgentJob, epoch_name
from goat_ray.training.launch import use_cores
from goat_ray.training.memory import GB, peak_memory
from goat_ray.training.meter import Meter
from goat_ray.training.models import build_engine, quiet_libraries, save_model
from goat_ray.training.progress import TrainingReport
from goat_ray.training.publishing import published, write_report
from goat_ray.training.ray_metrics import RayMetrics
from goat_ray.training.stepping import train_step
from goat_ray.training.tokenization import load_tokenizer
from goat_ray.training.trackers import open_trackers

if TYPE_CHECKING:
    from deepspeed import DeepSpeedEngine


def agent_loop(settings: dict[str, Any]) -> None:
    """Train until done; continues from the run's latest checkpoint if there is one."""
    job: AgentJob = settings["job"]
    quiet_libraries(gpu=job.config.gpus_per_worker > 0)
    use_cores(ray.train.get_context().get_local_world_size())
    worker = _Worker(job, settings["lines"].put)
    with closing(worker.meter):  # curves that a failure cuts short are kept, too
        worker.run()


class _Worker:
    """One rank of the training."""

    def __init__(self, job: AgentJob, say: Callable[[str], None]) -> None:
        self.job = job
        self.config = job.config
        context = ray.train.get_context()
        self.rank, self.world = context.get_world_rank(), context.get_world_size()
        self.total = job.steps_per_epoch * job.config.epochs
        self.tokenizer = load_tokenizer(job.base)
        self.padding = int(self.tokenizer.pad_token_id or self.tokenizer.eos_token_id or 0)
        self.engine: DeepSpeedEngine = build_engine(job.base, job.config, job.deepspeed, self.total)
        self.checkpoints = Checkpoints(self.engine, job.config)
        self.state = self.checkpoints.resume()
        made_by, self.state.workers = self.state.workers, self.world
        first = self.rank == 0
        output = Place.of(job.output)
        self.meter = Meter(
            self.state,
            self.total,
            job.config.log_every,
            self.engine.device,
            say if first else None,
            [RayMetrics(output.name), *open_trackers(job.config, output, job.fingerprint, self.state.step)]
            if first
            else (),
        )
        if made_by != self.world and self.state.step:
            self.meter.say(f"its checkpoint is of {made_by} workers; its states were divided anew for {self.world}")

    def run(self) -> None:
        """All epochs that are left, or until they bring nothing more; then the output."""
        state, config = self.state, self.config
        while state.epoch < config.epochs and not self._is_in_vain:
            self._epoch()
        if state.epoch < config.epochs:
            self.meter.finish(self.engine.get_lr()[0])
            evaluations = "evaluations" if config.validate_every else "epochs"
            self.meter.say(f"stopped early: {state.worse} {evaluations} without a lower validation loss")
        if config.keep == "best":
            self.checkpoints.return_to_best()
        self._publish()

    @property
    def _is_in_vain(self) -> bool:
        return self.config.patience is not None and self.state.worse >= self.config.patience

    # --- steps -----------------------------------------------------------------------------------

    def _epoch(self) -> None:
        """What is left of an epoch: to its end, or until no step brings anything more."""
        epoch = self.state.epoch
        shard = ray.train.get_dataset_shard(epoch_name(epoch))
        assert shard is not None
        skip, seen = self.state.done, 0
        batches = shard.iter_batches(batch_size=self.job.rows_per_step, batch_format="pyarrow", prefetch_batches=2)
        with self.meter.timed():
            for table in batches:
                seen += 1
                if seen > skip:
                    self._step(table)
                if self._is_in_vain:
                    return
        if seen != self.job.steps_per_epoch:
            raise RunError(
                f"epoch {epoch} had {seen} steps instead of {self.job.steps_per_epoch}",
                remedy="The examples changed while they were trained on; run the training again",
            )
        self.state.epoch, self.state.done = epoch + 1, 0
        self._validate(f"epoch {epoch + 1}/{self.config.epochs}")
        self.checkpoints.save(self.state, evaluated=True)

    def _step(self, table: pa.Table) -> None:
        # The same numbers after a resume as without it, dropout included.
        torch.manual_seed(rng("step", self.config.seed, self.state.step, self.rank).getrandbits(63))
        passes = micro_batches(table, self.config.gradient_accumulation, self.padding, packed=self.config.packing)
        learning_rate = self.engine.get_lr()[0]
        for batch, loss in zip(passes, train_step(self.engine, passes), strict=True):
            self.meter.add(loss, batch.trained, batch.tokens if batch.trained else 0)
        self.meter.step(learning_rate)
        if self.state.done < self.job.steps_per_epoch:
            self._look_up()

    def _look_up(self) -> None:
        """Amid an epoch: evaluate and save, each as often as it is wanted."""
        step, every = self.state.step, self.config.validate_every
        evaluates = every is not None and step % every == 0
        if evaluates or step % self.config.checkpoint_every == 0:
            with self.meter.paused():
                if evaluates:
                    self._validate(f"step {step:,}/{self.total:,}")
                self.checkpoints.save(self.state, evaluated=evaluates)

    @torch.no_grad()
    def _validate(self, when: str) -> None:
        if not self.job.evaluated_on:
            return
        self.meter.say(f"{when}  evaluating on {self.job.evaluated_on:,} examples")
        shard = ray.train.get_dataset_shard("validation")
        assert shard is not None
        sums = torch.zeros(2, dtype=torch.float64, device=self.engine.device)
        self.engine.eval()
        for table in shard.iter_batches(batch_size=self.config.batch_size, batch_format="pyarrow"):
            (batch,) = micro_batches(table, 1, self.padding, packed=self.config.packing)
            sums[0] += summed_loss(self.engine, batch, self.engine.device)
            sums[1] += batch.trained
        self.engine.train()
        dist.all_reduce(sums)
        self.meter.validated(float(sums[0] / sums[1]), when)

    # --- output ----------------------------------------------------------------------------------

    def _publish(self) -> None:
        writing = self.rank == 0
        report = self._report(peak_memory(self.engine.device))
        with published(self.job.output) if writing else nullcontext() as folder:
            save_model(self.engine, self.tokenizer, folder)
            if folder is not None:
                self.state.write_losses(folder)
                write_report(folder, self.job.fingerprint, report, self.job.lineage)
        dist.barrier()

    def _report(self, peak_memory_bytes: float) -> TrainingReport:
        tally, state = self.job.tally, self.state
        return TrainingReport(
            steps=state.step,
            resumed_at=self.meter.resumed_at,
            first_loss=state.losses[0].loss,
            last_loss=state.losses[-1].loss,
            validation_loss=state.best_loss if self.config.keep == "best" else state.validation_loss,
            tokens=state.tokens,
            tokens_per_second=round(state.tokens / max(state.seconds, 1e-9), 1),
            peak_memory_gb=round(peak_memory_bytes / GB, 3),
            seconds=round(state.seconds, 3),
            examples=dict(tally.kept),
            trained_tokens=dict(tally.trained),
            dropped=dict(tally.dropped),
            cut_prompts=tally.cut,
        )
