"""A small trial of the teacher's steps, to forecast what the whole road will ask of it."""

from goat_ray.config import GoatConfig
from goat_ray.executors.build import Outside
from goat_ray.forecast import StepForecast
from goat_ray.graph.verification import Verify
from goat_ray.inspection import spread
from goat_ray.plans import PlanSource
from goat_ray.records import ApiFunction, CandidateEdge
from goat_ray.runner import Runner
from goat_ray.storage import Dataset
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.task import Teacher


def run_pilot(
    pilot: Runner,
    config: GoatConfig,
    teacher: Teacher,
    outside: Outside,
    functions: Dataset[ApiFunction],
    candidates: Dataset[CandidateEdge],
    size: int,
) -> list[StepForecast]:
    """What the teacher's steps will take, from so many candidates and plans in a run directory of their own.

    The pilot's graph is what the rules accept, so that its plans are about as long as the real ones.
    """
    some = pilot.gather(
        "candidates",
        CandidateEdge,
        lambda: spread(candidates.records(), candidates.rows, size),
        settings={"size": size},
        inputs=[candidates],
    )
    verified = pilot.bulk(Verify(teacher, functions.data, config.graph.verification), some, "verified")
    assumed = pilot.bulk(Verify(RulesTeacher(), functions.data), candidates, "assumed")
    plans = PlanSource(pilot, functions, assumed, config.sampling).plans(0, size)
    call = Call(teacher, config.executor, functions.data, outside=outside, calling=config.synthesis)
    traces = pilot.bulk(call, plans, "traces")
    narrated = pilot.bulk(Narrate(teacher, functions.data, config.synthesis, traces.fingerprint), traces, "narrated")
    accepted = config.synthesis.accepted  # of which as many plans are drawn as it takes
    whole = accepted * plans.rows // max(narrated.rows, 1) if accepted else config.sampling.plans
    return [
        StepForecast.of(verified, some.rows, candidates.rows),
        StepForecast.of(traces, plans.rows, whole),
        StepForecast.of(narrated, traces.rows, whole * traces.rows // max(plans.rows, 1)),
    ]
