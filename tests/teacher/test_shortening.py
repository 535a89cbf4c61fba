"""Prompts that are longer than the model's context, over real HTTP."""

from dataclasses import replace
from functools import partial

import pytest

from goat_ray.executors.config import ExecutorConfig
from goat_ray.graph.config import VerificationConfig
from goat_ray.graph.verification import Verify
from goat_ray.places import Place
from goat_ray.records import ApiFunction, CallPlan, Edge, ExecutedCall, OutputField, Parameter, Reject, Sample
from goat_ray.storage import FunctionStore
from goat_ray.synthesis.calling import Call
from goat_ray.synthesis.config import SamplingConfig, SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.arguments import FillArguments, FreeArguments
from goat_ray.teacher.build import build_teacher, connect
from goat_ray.teacher.chat import ChatTeacher
from goat_ray.teacher.config import TeacherConfig
from goat_ray.teacher.edges import EdgeQuestion, JudgeEdge
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.narration import WriteSubqueries
from goat_ray.teacher.phrases import Phrasebook
from goat_ray.teacher.rules import RulesTeacher
from goat_ray.teacher.shortening import LEVELS
from goat_ray.teacher.simulation import SimulatedCall, SimulateResponse
from goat_ray.teacher.story import Story, Told
from goat_ray.teacher.task import Failure
from tests.world import all_pairs, sample_plans

LONG = "It finds films. " + "And much more is to be said about it, " * 10


def function(name):
    parameter = Parameter(name="movie_id", location="path", type="integer", required=True, description=LONG)
    return ApiFunction.create(
        service="s", name=name, path=f"/{name}/{{movie_id}}", description=LONG, parameters=[parameter]
    )


QUESTION = EdgeQuestion(
    source=function("search"),
    field=OutputField(path="$.results[*].id", type="integer", description=LONG, examples=["an example " * 40]),
    carries="movie id",
    target=function("film"),
    parameter=function("film").parameters[0],
    wants="movie id",
)


def words(task, request):
    return sum(len(message["content"].split()) for message in task.messages(request))


def ask(task, request, context, cache=None):
    with FakeServer(context=context) as server:
        teacher = build_teacher(TeacherConfig(backend="openai", model="fake", base_url=server.base_url), cache)
        (answer,) = teacher.answer(task, [request])
        teacher.close()
    return answer, server.requests


def test_examples_go_first_and_the_answer_says_so(tmp_path):
    whole = words(JudgeEdge(), QUESTION)
    answer, requests = ask(JudgeEdge(), QUESTION, context=whole - 1, cache=tmp_path)
    assert len(requests) == 2
    assert "an example" not in str(requests[1]) and LONG.strip() in str(requests[1])
    assert answer.shortened
    again, requests = ask(JudgeEdge(), QUESTION, context=1, cache=tmp_path)
    assert again == answer and again.shortened and requests == []
    full, _ = ask(JudgeEdge(), QUESTION, context=whole)
    assert not full.shortened


def ask_in(context, real, cache):
    """The answer in a context that is set, of an endpoint with a real one, and how many requests it took."""
    with FakeServer(context=real) as server:
        config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url)
        teacher = ChatTeacher("test:fake", partial(connect, config), 64, cache, context)
        (answer,) = teacher.answer(JudgeEdge(), [QUESTION])
        teacher.close()
    return answer, server.count


def test_a_larger_context_is_asked_about_the_whole_documents_again(tmp_path):
    whole, cache = words(JudgeEdge(), QUESTION), Place.of(tmp_path)
    part, requests = ask_in(100, whole - 1, cache)
    assert part.shortened and requests == 2
    assert ask_in(100, whole - 1, cache) == (part, 0)
    full, requests = ask_in(200, whole, cache)
    assert not full.shortened and requests == 1
    assert ask_in(200, 1, cache) == ask_in(100, 1, cache) == (full, 0)


def test_then_descriptions_down_to_their_first_sentence_then_all_of_them():
    sizes = [words(JudgeEdge(), QUESTION)]
    sizes += [words(JudgeEdge(), JudgeEdge().shortened(QUESTION, level)) for level in range(1, LEVELS + 1)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    _, requests = ask(JudgeEdge(), QUESTION, context=sizes[2])
    assert "It finds films." in str(requests[-1]) and "much more" not in str(requests[-1])
    _, requests = ask(JudgeEdge(), QUESTION, context=sizes[3])
    assert "It finds films" not in str(requests[-1]) and "movie_id" in str(requests[-1])


def test_what_is_still_too_long_is_a_failure():
    answer, requests = ask(JudgeEdge(), QUESTION, context=3)
    assert isinstance(answer, Failure) and answer.reason == "too-long"
    assert len(requests) == 1 + LEVELS


@pytest.mark.parametrize("per_prompt", [1, 8])
def test_records_say_what_was_judged_and_made_by_parts_of_documents(world, per_prompt):
    class Busy(RulesTeacher):
        """Has read no document to its end."""

        def answer(self, task, requests):
            return [one if isinstance(one, Failure) else one.on_shortened() for one in super().answer(task, requests)]

    verify = Verify(Busy(), world.data, VerificationConfig(per_prompt=per_prompt))
    verify.start()
    good = {edge.id for edge in world.edges}
    pairs = [pair for pair in all_pairs(world.functions) if pair.id in good]
    edges = [edge for edge in verify.process(pairs) if isinstance(edge, Edge)]
    assert edges and all("(the documents were shortened" in edge.reason for edge in edges)

    drawn = sample_plans(world.functions, world.edges, SamplingConfig(plans=12))
    call = Call(Busy(), ExecutorConfig(), world.data)
    call.start()
    traces = [one for one in call.process([one for one in drawn if isinstance(one, CallPlan)]) if not is_reject(one)]
    asked = {trace.id: any(a.provenance == "user" for call in trace.calls for a in call.arguments) for trace in traces}
    assert {trace.id: trace.shortened == ["fill-arguments"] for trace in traces} == asked and any(asked.values())
    narrate = Narrate(Busy(), world.data, SynthesisConfig(paraphrases=1), "traces")
    narrate.start()
    samples = [one for one in narrate.process(traces) if not is_reject(one)]
    told = ["write-subqueries", "write-query", "write-response", "paraphrase", "judge-sample"]
    assert samples
    for sample in samples:
        assert sample.lineage.shortened == (["fill-arguments"] if asked[sample.id] else []) + told
        assert Sample.from_row(sample.to_row()) == sample


def is_reject(record):
    return isinstance(record, Reject)


def test_other_tasks_shorten_their_documents_too():
    film = function("film")
    free = FreeArguments(film, tuple(film.parameters), ((1, 2, 3, 4),), "seed")
    assert words(FillArguments(), FillArguments().shortened(free, 1)) < words(FillArguments(), free)
    played = SimulatedCall(film, {"movie_id": 7}, [("GET /film", {}, {"text": "word " * 100})] * 6)
    sizes = [words(SimulateResponse(), played)]
    sizes += [words(SimulateResponse(), SimulateResponse().shortened(played, level)) for level in range(1, LEVELS + 1)]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == len(sizes)
    assert SimulateResponse().shortened(played, LEVELS + 1) is None
    body = {"overview": "word " * 400}
    call = ExecutedCall(function=film.id, arguments=[], status=200, body=body, origin="simulated")
    story = Story((Told(film, call),), Phrasebook(FunctionStore.of([film])), "seed")
    task = WriteSubqueries()
    assert words(task, task.shortened(story, 2)) < words(task, story)
    assert task.shortened(story, LEVELS + 1) is None
    prompt = task.shortened(story, 1).prompt(outputs=True)
    assert len(prompt) < len(replace(story).prompt(outputs=True))
