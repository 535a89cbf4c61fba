"""The answer cache on real folders, of a file system and of an object store."""

import hashlib
import multiprocessing

from goat_ray.storage import open_parquet
from goat_ray.teacher import answers
from goat_ray.teacher.answers import AnswerCache, compact
from goat_ray.teacher.journal import StoredAnswer


def key(number):
    return hashlib.sha256(str(number).encode()).digest()[:16]


def fill(folder, numbers):
    cache = AnswerCache(folder)
    for number in numbers:
        cache.add(StoredAnswer(key(number), "judge", f'{{"n": {number}}}'))
    cache.flush()


def texts(folder, numbers):
    return {key: answer.text for key, answer in AnswerCache(folder).find([key(number) for number in numbers]).items()}


def test_what_was_flushed_is_found_again_and_nothing_else(folder):
    fill(folder, range(1500))
    found = texts(folder, [7, 1499, 1500, 700])
    assert found == {key(n): f'{{"n": {n}}}' for n in (7, 1499, 700)}


def test_this_process_finds_its_own_answers_flushed_or_not(tmp_path):
    cache = AnswerCache(tmp_path)
    for number in range(3000):
        cache.add(StoredAnswer(key(number), "judge", str(number)))
        found = cache.find([key(number), key(number // 2)])
        assert {key: answer.text for key, answer in found.items()} == {key(n): str(n) for n in (number, number // 2)}


def test_a_process_that_dies_loses_nothing(tmp_path):
    known = range(answers._FLUSH_ROWS + 5)
    dead = AnswerCache(tmp_path)
    for number in known:
        dead.add(StoredAnswer(key(number), "judge", "x\nø"))
    (journal,) = tmp_path.glob("*.journal")
    with journal.open("ab") as file:
        file.write(b'["00')  # the kill came in the middle of a line
    assert len(texts(tmp_path, known)) == len(known)
    compact(tmp_path)
    assert not list(tmp_path.glob("*.journal"))
    assert len(texts(tmp_path, known)) == len(known)


def test_a_journal_ends_when_its_answers_are_flushed(tmp_path):
    fill(tmp_path, range(5))
    (file,) = tmp_path.iterdir()
    assert file.suffix == ".parquet"


def test_in_an_object_store_a_process_that_dies_loses_what_it_had_not_flushed(store_folder):
    cache = AnswerCache(store_folder)
    for number in range(answers._FLUSH_ROWS + 5):
        cache.add(StoredAnswer(key(number), "judge", "x"))
    assert len(texts(store_folder, range(answers._FLUSH_ROWS + 5))) == answers._FLUSH_ROWS


def test_many_processes_write_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=fill, args=(tmp_path, range(n * 700, n * 700 + 1000))) for n in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(texts(tmp_path, range(2000))) == 1700


def test_half_a_key_alike_is_no_hit(tmp_path):
    cache = AnswerCache(tmp_path)
    cache.add(StoredAnswer(key(1), "judge", "x"))
    cache.flush()
    assert cache.find([key(1)[:8] + bytes(8)]) == {}


def test_small_files_are_merged_and_all_answers_stay(folder, monkeypatch):
    monkeypatch.setattr(answers, "_MANY_FILES", 4)
    monkeypatch.setattr(answers, "_GROUP_ROWS", 64)
    for start in range(0, 500, 50):
        fill(folder, range(start, start + 50))
    (folder / "left.tmp").write_bytes(b"half a file")
    compact(folder)
    (file,) = folder.children()
    assert open_parquet(file).metadata.num_rows == 500
    assert texts(folder, range(500)) == {key(n): f'{{"n": {n}}}' for n in range(500)}
