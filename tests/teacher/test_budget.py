import asyncio

import pytest

from goat_ray.errors import ConfigError, RunError
from goat_ray.settings import build
from goat_ray.teacher.budget import Lease, Ledger, LocalLedger, Spend
from goat_ray.teacher.build import build_teacher
from goat_ray.teacher.config import BudgetConfig, TeacherConfig
from goat_ray.teacher.fake_server import FakeServer
from goat_ray.teacher.task import Failure

from .tasks import JudgeFilm, Verdict

FILMS = [f"film {number}" for number in range(100)]


def ask(server, budget, cache=None, films=FILMS, **changes):
    config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url, budget=budget, **changes)
    teacher = build_teacher(config, cache)
    try:
        return teacher.answer(JudgeFilm(), films)
    finally:
        teacher.close()


def test_a_budget_that_just_suffices_is_enough():
    with FakeServer() as server:
        assert all(isinstance(answer, Verdict) for answer in ask(server, BudgetConfig(requests=100)))
    assert server.count == 100


def test_a_spent_budget_stops_the_run_which_a_bigger_one_resumes(tmp_path):
    with FakeServer() as server:
        with pytest.raises(RunError, match=r"Raise teacher\.budget and run the same command again"):
            ask(server, BudgetConfig(requests=60), tmp_path, concurrency=8)
        assert 30 <= server.count <= 60
        with pytest.raises(RunError, match="budget is spent"):  # the account outlives the process
            ask(server, BudgetConfig(requests=60), tmp_path, FILMS[60:])
        assert server.count <= 60
        answers = ask(server, BudgetConfig(requests=200), tmp_path)
        assert not any(isinstance(answer, Failure) for answer in answers)
    # Those whose answers came in before the stop are not asked again; those that were cut off are.
    assert server.count <= 100 + 8


def test_tokens_and_money_are_never_exceeded():
    with FakeServer() as server:
        budget = BudgetConfig(usd=0.01, prompt_usd_per_million=1.0, completion_usd_per_million=4.0)
        with pytest.raises(RunError):
            ask(server, budget, films=FILMS * 10 + [f"other {n}" for n in range(5000)], max_tokens=20)
        replied = server.count
    assert replied * (5 * 1.0 + 4 * 4.0) / 1e6 < 0.01
    with FakeServer() as server, pytest.raises(RunError):
        ask(server, BudgetConfig(tokens=500), max_tokens=20)
    assert 0 < server.count * 9 <= 500


def test_processes_share_a_ledger_without_starving_each_other():
    async def work():
        ledger = Ledger(BudgetConfig(requests=1000), None)
        leases = [Lease(LocalLedger(ledger), "go on") for _ in range(4)]

        async def spend(lease, times):
            for _ in range(times):
                await lease.take(Spend(1))
                lease.book(Spend(1), Spend(1))
            await lease.settle()

        await asyncio.gather(*(spend(lease, 250) for lease in leases))
        with pytest.raises(RunError, match="go on"):
            await leases[0].take(Spend(1))

    asyncio.run(work())


def test_what_a_dead_process_had_leased_counts_as_spent(tmp_path):
    file = tmp_path / "spent.json"
    granted = Ledger(BudgetConfig(requests=640), file).exchange(Spend(), Spend(), Spend(1))
    after = Ledger(BudgetConfig(requests=640), file)
    assert isinstance(granted, Spend)
    assert after.exchange(Spend(), Spend(), Spend(640 - granted.requests + 1)) == "never"
    assert after.exchange(Spend(), Spend(), Spend(640 - granted.requests)) == Spend(640 - granted.requests)


def test_nobody_waits_for_ever_for_what_a_dead_process_holds(monkeypatch):
    monkeypatch.setattr("goat_ray.teacher.budget._PATIENCE_S", 0.5)
    ledger = LocalLedger(Ledger(BudgetConfig(requests=100), None))

    async def work():
        await ledger.exchange(Spend(), Spend(), Spend(8))  # and is killed
        with pytest.raises(RunError, match="budget is spent"):
            await Lease(ledger, "raise it").take(Spend(97))

    asyncio.run(asyncio.wait_for(work(), 60))


def test_money_needs_prices():
    with pytest.raises(ConfigError, match="prompt_usd_per_million"):
        build({"usd": 5}, BudgetConfig, place="x.yaml")


@pytest.mark.ray
def test_workers_of_a_cluster_share_one_budget(ray_cluster, tmp_path):
    import os
    from pathlib import Path

    import ray

    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]

    @ray.remote(num_cpus=0.5, runtime_env={"env_vars": {"PYTHONPATH": os.pathsep.join(paths)}})
    def worker(teacher, films):
        try:
            return len(teacher.answer(JudgeFilm(), films))
        except RunError:
            return "stopped"

    with FakeServer() as server:
        budget = BudgetConfig(requests=100)
        config = TeacherConfig(backend="openai", model="fake", base_url=server.base_url, budget=budget)
        teacher = build_teacher(config, tmp_path)
        teacher.prepare()
        parts = [[f"part {part} film {number}" for number in range(50)] for part in range(4)]
        ends = ray.get([worker.remote(teacher, films) for films in parts])
    assert server.count <= 100
    assert "stopped" in ends
