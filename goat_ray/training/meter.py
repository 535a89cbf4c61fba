"""Counts steps, losses, tokens and time over all workers, and says how it goes."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist

from goat_ray.training.progress import Progress, progress_line
from goat_ray.training.trackers import Tracker


class Meter:
    """One rank's share of the books. ``say`` is None, and nobody tracks, on all ranks but the first."""

    def __init__(
        self,
        state: Progress,
        total: int,
        log_every: int,
        device: torch.device,
        say: Callable[[str], None] | None,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.state = state
        self.total = total
        self.resumed_at = state.step
        self._log_every = log_every
        self._say = say
        self._trackers = trackers
        self._clock = self._started = time.monotonic()
        # Summed on the device and shared now and then, so that a step waits for no transfer:
        # loss, what it is summed over, tokens.
        self._sums = torch.zeros(3, dtype=torch.float64, device=device)
        if state.step:
            self.say(f"continuing at step {state.step:,} of {total:,}")

    def say(self, line: str) -> None:
        """A line for the driver's console, from the first rank."""
        if self._say is not None:
            self._say(line)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Around steps; time outside (validation, checkpoints) is no training. Shares the sums at the end."""
        self._clock = time.monotonic()
        yield
        self._share()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Around a checkpoint between timed steps: the state is complete before it, and its time does not count."""
        self._share()
        yield
        self._clock = time.monotonic()

    def add(self, loss: torch.Tensor, weight: torch.Tensor | float, tokens: int) -> None:
        """One forward pass of this rank: its loss summed over ``weight`` tokens or pairs, and its tokens."""
        self._sums[0] += loss
        self._sums[1] += weight
        self._sums[2] += tokens

    def step(self, learning_rate: float) -> None:
        """One step is done on all ranks; every so often that closes a window and says so."""
        state = self.state
        state.step += 1
        state.done += 1
        if state.step % self._log_every == 0 or state.step == self.total:
            self._close_window(learning_rate)

    def finish(self, learning_rate: float) -> None:
        """No further step comes, as where a training stops early: say what is left. All ranks call it together."""
        if not self.state.losses or self.state.losses[-1].step != self.state.step:
            self._close_window(learning_rate)

    def _close_window(self, learning_rate: float) -> None:
        state = self.state
        self._share()
        tokens, seconds = (state.losses[-1].tokens, state.losses[-1].seconds) if state.losses else (0, 0.0)
        row = state.close_window(learning_rate)
        rate = (row.tokens - tokens) / max(row.seconds - seconds, 1e-9)
        self.say(progress_line(row, self.total, rate, self._left()))
        values = {"loss": row.loss, "learning_rate": learning_rate, "tokens": row.tokens, "tokens_per_second": rate}
        self._track(values)

    def _left(self) -> float:
        """Seconds until the last step, as they went since this start: evaluations and checkpoints will take theirs."""
        step = self.state.step
        return (time.monotonic() - self._started) / max(step - self.resumed_at, 1) * (self.total - step)

    def validated(self, loss: float, when: str) -> None:
        """All ranks have evaluated, and this is the validation loss."""
        self.state.note_validation(loss)
        self.say(f"{when}  validation loss {loss:.4f}")
        self._track({"validation_loss": loss})

    def close(self) -> None:
        """Nothing more comes."""
        for tracker in self._trackers:
            tracker.close()

    def _track(self, values: dict[str, float]) -> None:
        for tracker in self._trackers:
            tracker.log(self.state.step, values)

    def _share(self) -> None:
        state = self.state
        if dist.is_initialized():
            dist.all_reduce(self._sums)
        loss, weight, tokens = self._sums.tolist()
        self._sums.zero_()
        state.window_loss += loss
        state.window_weight += weight
        state.tokens += round(tokens)
        now = time.monotonic()
        state.seconds += now - self._clock
        self._clock = now
