"""The embedded judge of edges."""

from goat_ray.records import ApiFunction, OutputField, Parameter
from goat_ray.teacher.edges import EdgeQuestion, EdgeVerdict, JudgeEdge


def question(
    carries: str, wants: str, *, path: str = "$.results[*].id", location: str = "path", source_path: str = "/search"
) -> EdgeQuestion:
    name = wants.replace(" ", "_")
    parameter = Parameter(name=name, location=location, type="integer", required=True)  # type: ignore[arg-type]
    source_parameters = [parameter] if "{" in source_path else []
    return EdgeQuestion(
        source=ApiFunction.create(service="s", name="a", path=source_path, parameters=source_parameters),
        field=OutputField(path=path, type="integer", examples=[7]),
        carries=carries,
        target=ApiFunction.create(service="s", name="b", path=f"/x/{{{name}}}", parameters=[parameter]),
        parameter=parameter,
        wants=wants,
    )


def accepts(request: EdgeQuestion) -> bool:
    verdict = JudgeEdge().rule(request)
    assert isinstance(verdict, EdgeVerdict) and verdict.reason
    return verdict.accept


def test_the_same_thing_is_accepted() -> None:
    assert accepts(question("movie id", "movie id"))


def test_another_thing_is_not() -> None:
    assert not accepts(question("person id", "movie id"))
    assert not accepts(question("season number", "season id"))


def test_what_may_be_either_is_accepted_for_both() -> None:
    assert accepts(question("movie id or tv id", "movie id"))
    assert accepts(question("movie id or tv id", "tv id"))
    assert not accepts(question("movie id or tv id", "person id"))


def test_an_echo_of_the_callers_own_argument_is_not() -> None:
    assert not accepts(question("movie id", "movie id", path="$.id", source_path="/movie/{movie_id}/credits"))
    assert accepts(question("movie id", "movie id", path="$.cast[*].id", source_path="/movie/{movie_id}/credits"))


def test_values_that_a_caller_chooses_freely_need_no_source() -> None:
    assert not accepts(question("trip start", "trip start", location="body"))


def test_the_prompt_puts_the_shared_part_first_and_holds_both_ends() -> None:
    system, user = JudgeEdge().messages(question("movie id", "movie id"))
    assert system["role"] == "system"
    text = user["content"]
    assert text.index("Second API") < text.index("First API")
    for part in ("movie_id", "$.results[*].id", "[7]"):
        assert part in text
