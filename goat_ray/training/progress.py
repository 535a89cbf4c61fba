"""How far a training is, and what it reports. Saved in each checkpoint, so that nothing is counted twice."""

from pathlib import Path

from pydantic import BaseModel, Field

from goat_ray.settings import Settings

PROGRESS = "progress.json"
LOSSES = "losses.jsonl"


class Losses(Settings):
    """One row of ``losses.jsonl``: the mean loss of the steps since the row before."""

    step: int
    loss: float
    learning_rate: float
    tokens: int  # since the start
    seconds: float  # of training, since the start


class Progress(BaseModel):
    """The state of a training beside the model and the optimizer. All ranks hold the same."""

    workers: int = 1  # that hold the parts of the states which lie beside it in the checkpoint
    step: int = 0  # steps done
    epoch: int = 0
    done: int = 0  # steps done in this epoch
    tokens: int = 0
    seconds: float = 0.0
    window_loss: float = 0.0  # summed over the window's trained tokens (or pairs)
    window_weight: float = 0.0
    losses: list[Losses] = []
    validation_loss: float | None = None  # of the latest evaluation
    best_loss: float | None = None  # the lowest of them
    worse: int = 0  # evaluations in a row whose loss was not the lowest so far

    @classmethod
    def read(cls, folder: Path) -> "Progress":
        """The state that ``write`` left in a checkpoint."""
        return cls.model_validate_json((folder / PROGRESS).read_text(encoding="utf-8"))

    def write(self, folder: Path) -> None:
        """Put the state into a checkpoint's folder."""
        (folder / PROGRESS).write_text(self.model_dump_json(), encoding="utf-8")

    def note_validation(self, loss: float) -> None:
        """The loss of an evaluation."""
        improved = self.best_loss is None or loss < self.best_loss
        self.validation_loss = loss
        self.worse = 0 if improved else self.worse + 1
        self.best_loss = loss if improved else self.best_loss

    def close_window(self, learning_rate: float) -> Losses:
        """Turn what was summed since the last row into the next one."""
        row = Losses(
            step=self.step,
            loss=self.window_loss / max(self.window_weight, 1.0),
            learning_rate=learning_rate,
            tokens=self.tokens,
            seconds=round(self.seconds, 3),
        )
        self.losses.append(row)
        self.window_loss = self.window_weight = 0.0
        return row

    def write_losses(self, folder: Path) -> None:
        """Write the whole history as JSON lines."""
        lines = "".join(row.model_dump_json() + "\n" for row in self.losses)
        (folder / LOSSES).write_text(lines, encoding="utf-8")


def progress_line(row: Losses, total: int, rate: float, left: float) -> str:
    """One line for people. ``rate`` is tokens per second, ``left`` is in seconds."""
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    return (
        f"step {row.step:,}/{total:,}  loss {row.loss:.4f}  lr {row.learning_rate:.2e}  "
        f"{rate:,.0f} tokens/s  {hours}:{minutes:02}:{seconds:02} left"
    )


class TrainingReport(Settings):
    """What a fine-tuning of the agent did."""

    steps: int
    resumed_at: int = Field(description="Step at which the last start continued; 0 if it ran in one go.")
    first_loss: float
    last_loss: float
    validation_loss: float | None = Field(
        description="Of the model that came out: after the last epoch or, if asked for, the lowest. "
        "None without validation examples."
    )
    tokens: int = Field(description="Prompt and target tokens seen, padding not counted, over all epochs.")
    tokens_per_second: float
    peak_memory_gb: float = Field(description="Of the worker that took most: on its GPU, or as a process.")
    seconds: float = Field(description="Of training, without starting workers and loading models.")
    examples: dict[str, int] = Field(description="Training examples by kind.")
    trained_tokens: dict[str, int] = Field(description="Tokens with a loss by kind, in one epoch.")
    dropped: dict[str, int] = Field(description="Training examples left out, by reason.")
    cut_prompts: int = Field(description="Training examples whose prompt was shortened to max_length.")


class RetrieverReport(Settings):
    """What a fine-tuning of the retriever did."""

    steps: int
    resumed_at: int = Field(description="Step at which the last start continued; 0 if it ran in one go.")
    first_loss: float
    last_loss: float
    validation_loss: float | None = Field(description="After the last epoch; None without validation queries.")
    queries: int = Field(description="Distinct training queries.")
    documents: int = Field(description="Distinct documents that they need, or are told from as hard negatives.")
    queries_per_second: float
    seconds: float = Field(description="Of training, without starting workers and loading models.")
    dropped: dict[str, int] = Field(description="Training examples left out, by reason.")
