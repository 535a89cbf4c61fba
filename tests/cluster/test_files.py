"""Scripts, images, cloud clusters, dashboards and what the documents of cluster/ name."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from goat_ray import tally
from goat_ray.config import load_config
from goat_ray.training import ray_metrics
from tests.cluster.files import CLUSTER, ROOT, nested, texts

BIN = Path(sys.executable).parent
DOCKERFILE = CLUSTER / "Dockerfile"
CLOUDS = [CLUSTER / "aws.yaml", CLUSTER / "gcp.yaml"]
# What the runner exports, see README.md; Ray puts "ray_" before each name and "_total" behind a counter's.
METRICS = {f"ray_{name}": set(tags) for name, (_, tags) in (tally.METRICS | ray_metrics.METRICS).items()}


def lint(tool: str, *files: Path) -> None:
    result = subprocess.run([BIN / tool, *files], capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_shellcheck_has_nothing_to_say() -> None:
    scripts = [*CLUSTER.glob("*.sh"), ROOT / "requirements" / "install", ROOT / ".ci" / "run"]
    assert len(scripts) >= 3
    lint("shellcheck", *scripts)


def test_hadolint_has_nothing_to_say() -> None:
    lint("hadolint", DOCKERFILE)


def test_images_are_pinned_and_not_root() -> None:
    lines = DOCKERFILE.read_text().splitlines()
    bases = [line.split()[1] for line in lines if line.startswith("FROM ")]
    stages = [line.split()[-1] for line in lines if line.startswith("FROM ")]
    assert {"cpu", "cuda"} <= set(stages)
    for base in bases:
        assert base in stages or re.fullmatch(r"[\w/.-]+:\d+\.\d+\.\d+-[\w.-]+", base), f"{base} is not pinned"
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users and all(int(user) > 0 for user in users), "numeric, as Kubernetes checks runAsNonRoot by number"
    copied = [word for line in lines if line.startswith("COPY ") for word in line.split()[2:-1]]
    assert copied and all((ROOT / name).exists() for name in copied)
    allowed = (CLUSTER / "Dockerfile.dockerignore").read_text().split()
    assert allowed[0] != "!*" and {f"!{name}" for name in copied} <= set(allowed)


@pytest.mark.parametrize(
    ("file", "extras"),
    [("constraints.txt", ("cpu", "offline")), ("constraints-cuda.txt", ("gpu", "offline", "clouds"))],
)
def test_images_pin_each_package_to_a_version_that_the_project_allows(file: str, extras: tuple[str, ...]) -> None:
    """Ours and, as pip resolved them, those that they need; ``requirements/install`` itself pins torch for the CPU."""
    assert f"-c requirements/{file}" in (ROOT / "requirements" / "install").read_text()
    lines = [line for line in (ROOT / "requirements" / file).read_text().splitlines() if not line.startswith("#")]
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(one for extra in extras for one in project["optional-dependencies"][extra])]
    for requirement in map(Requirement, wanted):
        name = canonicalize_name(requirement.name)
        if name != "torch" or "gpu" in extras:
            assert requirement.specifier.contains(pins[name]), f"{requirement} is not pinned"
    if "gpu" in extras:
        assert sum(name.startswith("nvidia-") for name in pins) > 10, "what torch for CUDA needs"


def test_images_hold_what_ray_up_calls() -> None:
    """Ray copies by rsync, reaches workers by ssh, starts login shells, and its autoscaler takes the cloud's SDK."""
    text = DOCKERFILE.read_text()
    (packages,) = re.findall(r"apt-get install (.*?)\\\n", text)
    assert {"openssh-client", "rsync"} <= set(packages.split())
    assert "/opt/goat/.venv/bin" in re.findall(r'echo "(.*)" > /etc/profile\.d/', text)[0]
    installs = [line for line in text.splitlines() if "requirements/install" in line and line.startswith("RUN")]
    assert len(installs) == 2 and all("EXTRAS=,clouds" in line for line in installs)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    providers = {yaml.safe_load(file.read_text())["provider"]["type"] for file in CLOUDS}
    sdks = {"aws": "boto3", "gcp": "google-api-python-client"}
    assert {re.split(r"[>=]", name)[0] for name in extras["clouds"]} == {sdks[provider] for provider in providers}


@pytest.mark.parametrize("file", CLOUDS, ids=lambda file: file.name)
def test_cloud_clusters_follow_rays_schema_and_our_rules(file: Path) -> None:
    config = yaml.safe_load(file.read_text())
    schema = json.loads((Path(ray.__file__).parent / "autoscaler" / "ray-schema.json").read_text())
    jsonschema.validate(config, schema)

    head = config["available_node_types"][config["head_node_type"]]
    assert head["resources"]["CPU"] == 0
    starts = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    assert any("--dashboard-host=127.0.0.1" in command for command in starts)
    assert not any("0.0.0.0" in command for command in starts)
    options = " ".join(config["docker"]["run_options"])
    assert "RAY_AUTH_MODE=token" in options and "--privileged" not in options
    assert "RAY_AUTH_TOKEN=" not in options, "a token on a command line is seen by all"
    (token,) = re.findall(r"RAY_AUTH_TOKEN_PATH=(\S+)", options)
    assert token in config["file_mounts"]


def test_every_configuration_and_script_that_is_named_exists_and_loads() -> None:
    commands = (ROOT / "goat_ray").glob("cli*.py")
    text = "\n".join(file.read_text() for file in (*texts(), ROOT / "README.md", *commands))
    configs = set(re.findall(r"\bconfigs/[\w/.-]+\.yaml", text))
    assert {f"configs/{name}.yaml" for name in ("demo", "local", "gpu-cluster", "tmdb", "apibank")} <= configs
    for name in configs:
        load_config(ROOT / name)
    scripts = set(re.findall(r"\bjobs/\w+\.py", text))
    assert scripts and all((ROOT / name).exists() for name in scripts)


def test_every_setting_that_is_named_exists() -> None:
    """Continued lines are joined first; a setting's value may hold shell variables."""
    text = "\n".join(file.read_text() for file in texts()).replace("\\\n", " ")
    settings = set(re.findall(r"--set[ =]'?([a-z_]+(?:\.[a-z_]+)+=[^\s'`]+)", text))
    assert len(settings) >= 4
    load_config(ROOT / "configs" / "gpu-cluster.yaml", sorted(settings))


def test_documents_name_real_files_and_tests() -> None:
    for file in CLUSTER.glob("*.md"):
        for name in re.findall(r"`((?:cluster|tests|configs|goat_ray|requirements)/[\w/.-]+)`", file.read_text()):
            assert (ROOT / name).exists(), f"{file.name} names {name}"
        for target in re.findall(r"\]\((?!http)([^)#]+)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"
        for name in re.findall(r"`(test_\w+)`", file.read_text()):
            sources = "".join(test.read_text() for test in (ROOT / "tests").rglob("*.py"))
            assert f"def {name}(" in sources, f"{file.name} names {name}"


def test_dashboards_ask_for_metrics_that_exist() -> None:
    dashboard = json.loads((CLUSTER / "observability" / "grafana.json").read_text())
    expressions = list(nested(dashboard, "expr"))
    asked = set(re.findall(r"\bray_goat_\w+", " ".join(expressions)))
    assert asked == set(METRICS)
    for expression in expressions:
        metrics = set(re.findall(r"\bray_goat_\w+", expression))
        labels = set(re.findall(r"(\w+)(?==|!~)", expression))
        labels |= {name for group in re.findall(r"by \(([^)]*)\)", expression) for name in re.split(r",\s*", group)}
        for metric in metrics:
            assert labels <= METRICS[metric], expression


def test_prometheus_scrapes_what_the_manifests_expose() -> None:
    config: dict[str, Any] = yaml.safe_load((CLUSTER / "observability" / "prometheus.yaml").read_text())
    kept = {rule["regex"] for rules in nested(config, "relabel_configs") for rule in rules if "regex" in rule}
    assert kept == {"goat-ray", "metrics"}
