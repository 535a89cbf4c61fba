import asyncio

from goat_ray.teacher.limiter import AdaptiveLimit


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_refusals_halve_once_for_all_that_was_in_flight_and_answers_restore():
    async def work():
        clock = Clock()
        limit = AdaptiveLimit(16, slow_s=10, clock=clock)
        entered = [await limit.enter() for _ in range(16)]
        clock.now += 1
        for one in entered:
            limit.leave(one, busy=True)
        assert limit.limit == 8
        clock.now += 1
        for _ in range(200):
            limit.leave(await limit.enter())
        assert limit.limit == 16

    asyncio.run(work())


def test_late_answers_lower_it_gently_and_never_below_one():
    async def work():
        clock = Clock()
        limit = AdaptiveLimit(4, slow_s=10, clock=clock)
        entered = await limit.enter()
        clock.now += 11
        limit.leave(entered)
        assert 3 < limit.limit < 4
        for _ in range(100):
            entered = await limit.enter()
            clock.now += 11
            limit.leave(entered)
        assert limit.limit == 1

    asyncio.run(work())


def test_waiting_ones_enter_in_turn_and_a_cancelled_one_keeps_no_slot():
    async def work():
        limit = AdaptiveLimit(1, slow_s=10)
        order = []

        async def use(name):
            entered = await limit.enter()
            order.append(name)
            await asyncio.sleep(0)
            limit.leave(entered)

        held = await limit.enter()
        tasks = [asyncio.create_task(use(name)) for name in "abc"]
        await asyncio.sleep(0)
        tasks[0].cancel()  # while it waits
        limit.leave(held)
        tasks[1].cancel()  # when it has just been woken
        await asyncio.gather(*tasks, return_exceptions=True)
        assert order == ["c"]
        assert await asyncio.wait_for(limit.enter(), 1)

    asyncio.run(work())


def test_nobody_enters_during_a_pause():
    async def work():
        limit = AdaptiveLimit(4, slow_s=10)
        limit.pause(0.02)
        task = asyncio.create_task(limit.enter())
        await asyncio.sleep(0)
        assert not task.done()
        assert await asyncio.wait_for(task, 5)

    asyncio.run(work())
