from pathlib import Path

import pytest

from goat_ray.errors import RunError
from goat_ray.settings import Settings
from goat_ray.training.progress import Progress
from goat_ray.training.publishing import claim, published, read_report, write_report


class Report(Settings):
    steps: int


def publish(output: Path, fingerprint: str, steps: int) -> None:
    with published(output) as folder:
        assert not output.exists() or not any(output.iterdir())
        write_report(folder, fingerprint, Report(steps=steps))


def test_a_finished_output_is_read_and_not_made_again(tmp_path: Path) -> None:
    output = tmp_path / "model"
    assert claim(output, "one", Report, print) is None
    publish(output, "one", 3)
    assert claim(output, "one", Report, print) == read_report(output, Report) == Report(steps=3)
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert claim(tmp_path / "model", "one", Report, print) is None
    publish(tmp_path / "model", "one", 3)


def test_another_trainings_output_is_moved_aside(tmp_path: Path) -> None:
    output = tmp_path / "model"
    publish(output, "one", 3)
    said: list[str] = []
    assert claim(output, "two", Report, said.append) is None
    assert read_report(tmp_path / "model.superseded-one", Report).steps == 3
    assert "moved to" in said[0]


def test_foreign_files_are_never_touched(tmp_path: Path) -> None:
    output = tmp_path / "model"
    output.mkdir()
    (output / "thesis.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(RunError, match="not the output of a training"):
        claim(output, "one", Report, print)


def test_a_failure_while_writing_leaves_no_output(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        with published(tmp_path / "model"):
            raise ZeroDivisionError
    assert not (tmp_path / "model").exists()
    publish(tmp_path / "model", "one", 3)


def test_a_worker_restarted_after_the_rename_keeps_what_is_there(tmp_path: Path) -> None:
    output = tmp_path / "model"
    publish(output, "one", 3)
    with published(output) as folder:
        write_report(folder, "one", Report(steps=4))
    assert read_report(output, Report).steps == 3


def test_progress_survives_a_checkpoint(tmp_path: Path) -> None:
    state = Progress(step=3, window_loss=6.0, window_weight=4.0)
    state.write(tmp_path)
    again = Progress.read(tmp_path)
    assert again == state
    assert again.close_window(0.1).loss == 1.5
    assert again.window_weight == 0.0


def test_patience_counts_epochs_without_a_lower_loss() -> None:
    state = Progress()
    counts = []
    for loss in (2.0, 1.5, 1.6, 1.5, 1.4):
        state.note_validation(loss)
        counts.append((state.worse, state.best_loss))
    assert counts == [(0, 2.0), (0, 1.5), (1, 1.5), (2, 1.5), (0, 1.4)]
