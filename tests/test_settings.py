"""Rule of design.md: bad input gets one clear error naming file, place and remedy."""

from pathlib import Path

import pytest

from goat_ray.config import GoatConfig, load_config
from goat_ray.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.name)
def test_every_shipped_configuration_loads(path: Path) -> None:
    assert isinstance(load_config(path), GoatConfig)


def test_a_typo_is_an_error_that_names_the_key_and_the_nearest_known_one(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", "documents: {paths: [a]}\nsampling: {lenghts: {1: 1}}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert str(path) in str(error.value)
    assert "sampling.lenghts" in str(error.value) and "'lengths'" in str(error.value)


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", "documents: {paths: []}\nsampling: {plans: 0}\n")
    with pytest.raises(ConfigError) as error:
        load_config(path)
    assert "documents.paths" in str(error.value) and "sampling.plans" in str(error.value)


@pytest.mark.parametrize("text", ["a: [", "\x00", "- a list\n", "just text"])
def test_what_is_no_mapping_is_a_config_error(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"c\.yaml"):
        load_config(write(tmp_path / "c.yaml", text))


def test_a_missing_file_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        load_config(tmp_path / "none.yaml")


def test_single_settings_can_be_changed(tmp_path: Path) -> None:
    path = write(tmp_path / "c.yaml", "documents: {paths: [a]}\n")
    config = load_config(path, ["sampling.plans=7", "run.directory=/x", "sampling.lengths={2: 1}"])
    assert (config.sampling.plans, config.run.directory, config.sampling.lengths) == (7, "/x", {2: 1.0})


@pytest.mark.parametrize(
    "change", ["sampling", "sampling.plans", "=3", "documents.paths.x=1", "sampling.plan=3", "a=["]
)
def test_a_change_that_makes_no_sense_is_a_config_error(tmp_path: Path, change: str) -> None:
    path = write(tmp_path / "c.yaml", "documents: {paths: [a]}\n")
    with pytest.raises(ConfigError):
        load_config(path, [change])
