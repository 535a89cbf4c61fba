"""The shipped server as users start it."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from goat_ray.errors import ConfigError
from goat_ray.teacher.fake_server import FakeServer, scripted

FORM = {"type": "json_schema", "json_schema": {"name": "Verdict", "schema": {"type": "object", "properties": {}}}}


def post(url, path="/chat/completions", data=None):
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "response_format": FORM}
    request = urllib.request.Request(url + path, data or json.dumps(body).encode())
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.loads(reply.read())["choices"][0]["message"]["content"]


def statuses(url, count):
    found = []
    for _ in range(count):
        try:
            post(url)
            found.append(200)
        except urllib.error.HTTPError as error:
            found.append(error.code)
        except OSError:
            found.append(0)
    return found


def test_command_serves_an_answer_book(tmp_path):
    book = tmp_path / "book.json"
    book.write_text('{"Verdict": {"accept": false}}')
    command = [sys.executable, "-u", "-m", "goat_ray.cli", "fake-server", "--port", "0", "--answers", str(book)]
    process = subprocess.Popen([*command, "--busy-every", "2"], stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http\S+", process.stdout.readline())[0]
        assert json.loads(post(url)) == {"accept": False}
        assert statuses(url, 3) == [429, 200, 429]
    finally:
        process.terminate()
        process.wait()


def test_faults_follow_the_seed():
    def drawn(seed):
        with FakeServer(errors={500: 0.3, 429: 0.1}, dropped=0.2, jitter_s=0.001, seed=seed) as server:
            return statuses(server.base_url, 40)

    first = drawn(1)
    assert {0, 200, 429, 500} == set(first)
    assert drawn(1) == first != drawn(2)


def test_what_it_does_not_serve_is_an_error():
    with FakeServer() as server:
        for path, data, status in (("/models", None, 404), ("/chat/completions", b"{", 400)):
            with pytest.raises(urllib.error.HTTPError) as caught:
                post(server.base_url, path, data)
            assert caught.value.code == status


def test_a_command_line_that_cannot_be_read_says_how_to_write_it(tmp_path):
    assert scripted(["500=0.3"], "5-15", None).errors == {500: 0.3}
    for errors, busy, answers in ((["500"], "", None), ([], "5", None), ([], "", tmp_path / "none.json")):
        with pytest.raises(ConfigError, match=r"--error 500=0\.3"):
            scripted(errors, busy, answers)
