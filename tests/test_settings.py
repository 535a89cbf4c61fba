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


@pytest.mark.parametrize("text", ["sampling: {plans: 7}\nsampling: {seed: 1}", "sampling:\n  plans: 7\n  plans: 9"])
def test_a_key_that_is_given_twice_is_an_error_that_names_it(tmp_path: Path, text: str) -> None:
    path = write(tmp_path / "c.yaml", f"documents: {{paths: [a]}}\n{text}\n")
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be read as YAML: .*key '(sampling|plans)' is given twice"):
        load_config(path)
    with pytest.raises(ConfigError, match="--set: sampling cannot be set to this"):
        load_config(write(path, "documents: {paths: [a]}"), ["sampling={plans: 7, plans: 9}"])


def test_merged_keys_may_be_replaced(tmp_path: Path) -> None:
    """Also where a mapping that merges another is merged itself, and further up than it is written."""
    text = """
        documents: {paths: [a]}
        training: {agent: &one {epochs: 3, seed: 1}, retriever: {}}
        cluster:
          stages:
            call: &call {<<: &all {cpus: 2, workers: 3}, cpus: 1}
            narrate: {<<: [*call, *all], workers: 4}
    """
    config = load_config(write(tmp_path / "c.yaml", text))
    call, narrate = config.cluster.stages["call"], config.cluster.stages["narrate"]
    assert (call.cpus, call.workers, narrate.cpus, narrate.workers) == (1, 3, 1, 4)


@pytest.mark.parametrize(
    ("change", "known"),
    [
        ("agent.engine.replcas=2", "replicas"),
        ("agent.endpoint.base_ulr=http://x", "base_url"),
        ("graph.verification.cascade.sampel=5", "sample"),
        ("cluster.stages.call.cpu=2", "cpus"),
        ("cluster.on_demand=[{cnt: 1, resources: {CPU: 1}}]", "count"),
    ],
)
def test_a_typo_in_what_may_be_left_out_or_be_many_is_helped_as_well(tmp_path: Path, change: str, known: str) -> None:
    with pytest.raises(ConfigError, match=rf"there is no such key \(did you mean '{known}'\?\)"):
        load_config(write(tmp_path / "c.yaml", "documents: {paths: [a]}\n"), [change])


@pytest.mark.parametrize(
    "change",
    [
        *("teacher.api_key_env=sk-verysecret", "sampling.plans=sk-verysecret", "sampling.plan=sk-verysecret"),
        *("documents.paths.x=sk-verysecret", "a=[sk-verysecret", "=sk-verysecret", "sk-verysecret"),
    ],
)
def test_what_follows_a_key_is_not_repeated_as_it_may_be_a_secret(tmp_path: Path, change: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(write(tmp_path / "c.yaml", "documents: {paths: [a]}\n"), [change])
    assert "verysecret" not in str(error.value)
    assert change.partition("=")[0] in str(error.value) or "sk-" in change.partition("=")[0]


@pytest.mark.parametrize(
    "value", ["2026-13-45", "[" * 3000, "{a: " * 3000, "1" * 5000], ids=["date", "lists", "mappings", "digits"]
)
def test_values_that_yaml_cannot_hold_are_config_errors(tmp_path: Path, value: str) -> None:
    path = write(tmp_path / "c.yaml", "documents: {paths: [a]}\n")
    with pytest.raises(ConfigError, match=r"--set: run\.directory cannot be set"):
        load_config(path, [f"run.directory={value}"])
    with pytest.raises(ConfigError, match=r"c\.yaml: cannot be read as YAML"):
        load_config(write(path, f"run: {{directory: {value}}}"))
