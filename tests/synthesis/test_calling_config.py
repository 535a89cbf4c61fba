"""Settings of the call step as people write them."""

from pathlib import Path
from typing import Any

import pytest

from goat_ray.errors import ConfigError
from goat_ray.settings import load
from goat_ray.synthesis.calling_config import CallingConfig
from goat_ray.synthesis.config import SynthesisConfig


@pytest.mark.parametrize(("written", "share"), [("true", 0.1), ("false", 0), ("1", 1), ("0", 0), ("0.25", 0.25)])
@pytest.mark.parametrize("kind", [CallingConfig, SynthesisConfig])
def test_recovery_may_be_a_switch(written: str, share: float, kind: Any, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(f"recovery: {written}\n")
    assert load(tmp_path / "c.yaml", kind).recovery == share
    assert load(tmp_path / "c.yaml", kind, ["recovery=true"]).recovery == 0.1


def test_a_wrong_share_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text("recovery: 2\n")
    with pytest.raises(ConfigError, match="recovery: input should be less than or equal to 1"):
        load(tmp_path / "c.yaml", CallingConfig)
