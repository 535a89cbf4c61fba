import asyncio
import pickle
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from goat_ray.errors import ModelError
from goat_ray.graph.verification import Verify
from goat_ray.synthesis.config import SynthesisConfig
from goat_ray.synthesis.narration import Narrate
from goat_ray.teacher.asking import Asker, Patience
from goat_ray.teacher.budget import Lease
from goat_ray.teacher.chat import ChatTeacher
from goat_ray.teacher.client import Completion, Setback
from goat_ray.teacher.task import Failure

from .tasks import JudgeFilm, Verdict

GOOD = '{"accept": true, "genre": "drama"}'


class Scripted:
    """A client that answers by what it is asked, and notes what happens to it."""

    def __init__(self, answer):
        self.answer = answer
        self.asked = []
        self.seeds = Counter()
        self.cancelled = 0
        self.closed = 0

    async def attempt(self, request):
        self.asked.append(request.messages)
        self.seeds[request.seed] += 1
        try:
            await asyncio.sleep(0)
            answer = await self.answer(request.messages)
            return answer if isinstance(answer, Failure) else Completion(answer)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def close(self):
        self.closed += 1


def asker(client, concurrency=8):
    return Asker(client, "test", concurrency, Patience(), Lease(None, ""), max_tokens=10)


def teacher_of(answer, concurrency=8):
    client = Scripted(answer)
    return ChatTeacher("test:scripted", lambda: asker(client, concurrency), concurrency), client


async def good(messages):
    return GOOD


def test_wrong_answer_is_shown_to_the_model_once():
    async def answer(messages):
        return GOOD if len(messages) > 2 else '{"accept": 7}'

    teacher, client = teacher_of(answer)
    assert teacher.answer(JudgeFilm(), ["Heat"]) == [Verdict(accept=True, genre="drama")]
    first, second = client.asked
    assert second[: len(first)] == first
    assert second[2] == {"role": "assistant", "content": '{"accept": 7}'}
    assert "genre: Field required" in second[3]["content"]


def test_answer_that_stays_wrong_is_a_failure():
    async def answer(messages):
        return "I would rather not."

    teacher, client = teacher_of(answer)
    (failure,) = teacher.answer(JudgeFilm(), ["Heat"])
    assert failure.reason == "not-json"
    assert len(client.asked) == 2


def test_an_answer_that_follows_the_schema_may_still_be_wrong():
    class Colourless(JudgeFilm):
        def flaw(self, request, answer):
            return "Heat is no comedy." if (request, answer.genre) == ("Heat", "comedy") else None

    async def answer(messages):
        return GOOD.replace("drama", "comedy")

    teacher, client = teacher_of(answer)
    heat, other = teacher.answer(Colourless(), ["Heat", "Ronin"])
    assert heat == Failure("invalid-answer", "Heat is no comedy.")
    assert isinstance(other, Verdict)
    assert "Heat is no comedy." in client.asked[-1][-1]["content"]  # the model was told, and had another try
    assert len(client.asked) == 3


def test_failed_request_is_not_repaired():
    async def answer(messages):
        return Failure("timeout", "too slow")

    teacher, client = teacher_of(answer)
    assert teacher.answer(JudgeFilm(), ["Heat"]) == [Failure("timeout", "too slow")]
    assert len(client.asked) == 1


def test_answers_keep_the_order_of_requests():
    async def answer(messages):
        number = int(messages[-1]["content"])
        await asyncio.sleep(0.02 if number % 2 else 0)
        return GOOD.replace("drama", "comedy" if number % 2 else "drama")

    teacher, _ = teacher_of(answer)
    answers = teacher.answer(JudgeFilm(), [str(number) for number in range(20)])
    assert [answer.genre for answer in answers] == ["drama", "comedy"] * 10


def test_concurrency_is_bounded():
    in_flight, most = 0, 0

    async def answer(messages):
        nonlocal in_flight, most
        in_flight += 1
        most = max(most, in_flight)
        await asyncio.sleep(0.005)
        in_flight -= 1
        return GOOD

    teacher, _ = teacher_of(answer, concurrency=3)
    teacher.answer(JudgeFilm(), [str(number) for number in range(20)])
    assert most == 3


def test_seeds_derive_from_content():
    teacher, client = teacher_of(good)
    teacher.answer(JudgeFilm(), ["Heat", "Ronin", "Heat"])
    assert list(client.seeds.values()) == [1, 1]  # equal questions are asked once
    again, other = teacher_of(good)
    again.answer(JudgeFilm(), ["Heat", "Ronin", "Heat"])
    assert other.seeds == client.seeds


def test_equal_questions_of_two_batches_at_once_are_asked_once():
    async def answer(messages):
        await asyncio.sleep(0.3)
        return GOOD

    teacher, client = teacher_of(answer)
    teacher.start()
    batches = [["Heat", "Ronin"], ["Ronin", "Alien"]]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(lambda films: teacher.answer(JudgeFilm(), films), batches))
    assert [len(answers) for answers in found] == [2, 2] and found[0][1] == found[1][0]
    assert len(client.asked) == 3


def test_what_another_batch_called_off_is_asked_by_who_waits_for_it():
    async def answer(messages):
        await asyncio.sleep(0.3)
        if messages[-1]["content"] == "Ronin":  # ends the first batch while "Heat" is on its way
            raise ModelError("no key", remedy="Give one")
        await asyncio.sleep(0.3)
        return GOOD

    teacher, client = teacher_of(answer)
    teacher.start()
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(teacher.answer, JudgeFilm(), ["Heat", "Ronin"])
        time.sleep(0.1)
        second = threads.submit(teacher.answer, JudgeFilm(), ["Heat"])
        with pytest.raises(ModelError):
            first.result()
        assert isinstance(second.result()[0], Verdict)
    assert len(client.asked) == 3


def test_hopeless_error_ends_the_call_and_cancels_the_rest():
    async def answer(messages):
        if messages[-1]["content"] == "bad":
            raise ModelError("the endpoint refuses the key", remedy="Check the key")
        await asyncio.sleep(60)

    teacher, client = teacher_of(answer)
    with pytest.raises(ModelError, match="Check the key"):
        teacher.answer(JudgeFilm(), ["slow", "bad", "slower"])
    assert client.cancelled == 2


def test_failing_to_connect_leaves_no_thread():
    def connect():
        raise ModelError("no such model", remedy="Name another")

    teacher = ChatTeacher("test:none", connect, 1)
    with pytest.raises(ModelError, match="Name another"):
        teacher.start()
    assert teacher.__getstate__()["_session"] is None


def test_one_connection_serves_all_calls_until_closed():
    teacher, client = teacher_of(good)
    teacher.start()
    session = teacher._session
    teacher.start()
    teacher.answer(JudgeFilm(), ["Heat"])
    assert teacher._session is session
    teacher.close()
    teacher.close()
    assert client.closed == 1
    assert teacher.answer(JudgeFilm(), ["Heat"]) == [Verdict(accept=True, genre="drama")]
    teacher.release()  # which is all that a driver calls
    assert client.closed == 2


def test_no_requests_no_answers():
    teacher, client = teacher_of(good)
    assert teacher.answer(JudgeFilm(), []) == []
    assert client.asked == []


def connect_elsewhere():
    return asker(Scripted(good))


def test_travels_connected_or_not():
    teacher = ChatTeacher("test:scripted", connect_elsewhere, 1)
    teacher.start()
    copy = pickle.loads(pickle.dumps(teacher))
    assert copy.label == "test:scripted"
    assert copy.answer(JudgeFilm(), ["Heat"]) == [Verdict(accept=True, genre="drama")]


class Overrun:
    """An endpoint that has no time for "unlucky" at first, then loses a connection, and answers all others."""

    def __init__(self):
        self.troubles = [Setback("rate-limited", busy=True)] * 6 + [Setback("unreachable")]

    async def attempt(self, request):
        unlucky = request.messages[0]["content"] == "unlucky"
        return self.troubles.pop(0) if unlucky and self.troubles else Completion("{}")

    async def close(self):
        pass


def test_waiting_for_a_busy_endpoint_counts_as_no_failure(monkeypatch):
    monkeypatch.setattr("goat_ray.teacher.asking._FIRST_DELAY_S", 0.001)

    async def asked():
        asker = Asker(Overrun(), "test", 4, Patience(max_retries=1), Lease(None, ""), max_tokens=10)

        async def others():
            for _ in range(20):
                await ask(asker, "lucky")
                await asyncio.sleep(0.001)

        return (await asyncio.gather(ask(asker, "unlucky"), others()))[0]

    assert isinstance(asyncio.run(asked()), Completion)


async def ask(asker, text):
    return await asker.ask([{"role": "user", "content": text}], None, 0, "test")


def test_retries_are_spread_around_doubling_waits_or_after_what_the_endpoint_asks():
    lost = asker(None)
    for tries, around in [(1, 0.5), (2, 1.0), (5, 8.0), (9, 20.0), (10**6, 20.0)]:
        waits = [lost._delay(tries, Setback("unreachable")) for _ in range(300)]
        assert 0.5 * around <= min(waits) < 0.6 * around and 1.4 * around < max(waits) <= 1.5 * around
    for asked, spread in [(0.2, 0.2), (5.0, 1.0)]:
        waits = [lost._delay(3, Setback("rate-limited", busy=True, retry_after_s=asked)) for _ in range(300)]
        assert asked <= min(waits) and asked + 0.8 * spread < max(waits) <= asked + spread
    assert lost._delay(1, Setback("rate-limited", busy=True, retry_after_s=1e9)) <= Patience().patience_s + 1


class Reviving:
    """Engines that die twice, or always, and take longer than the patience to come back the second time."""

    def __init__(self, deaths):
        self.deaths = deaths

    async def attempt(self, request):
        if self.deaths:
            self.deaths -= 1
            await asyncio.sleep(0.3 if self.deaths < 4 else 0)
            return Setback("unreachable", "gone", healed=True)
        return Completion("{}")

    async def close(self):
        pass


def revived(deaths):
    async def asked():
        patience = Patience(max_retries=2, patience_s=0.2)
        asker = Asker(Reviving(deaths), "test", 4, patience, Lease(None, ""), max_tokens=10)
        return await asyncio.gather(*(asker.ask([{"role": "user", "content": "?"}], None, 0, "test") for _ in range(4)))

    return asyncio.run(asked())


def test_engines_that_come_back_are_waited_for_however_long_it_takes():
    assert all(isinstance(answer, Completion) for answer in revived(deaths=8))


def test_engines_that_die_of_everything_are_not_waited_for_for_ever():
    with pytest.raises(ModelError, match=r"answered nothing for 0\.2 s"):
        revived(deaths=10**6)


@pytest.mark.parametrize(("concurrency", "records"), [(1, 32), (16, 64), (64, 256), (1000, 256)])
def test_steps_hand_over_what_keeps_it_busy_and_not_many_times_more(concurrency, records):
    teacher, _ = teacher_of(good, concurrency)
    assert Narrate(teacher, "", SynthesisConfig(), "").resources.batch_size == records
    assert Verify(teacher, "").resources.batch_size == records
