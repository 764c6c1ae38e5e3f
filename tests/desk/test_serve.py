"""The API of `charrnn serve`: what it answers, what it refuses, and that nothing makes it answer with a traceback."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("starlette", reason="the extra charrnn[serve] is not installed")

from starlette.testclient import TestClient

import charrnn
from charrnn.desk.app import create_app
from charrnn.desk.batching import Batching
from charrnn.desk.guard import Access
from charrnn.desk.limits import Limits
from charrnn.run import Run

HOST = "http://127.0.0.1:8000"
LIMITS = Limits(length=200, texts=4, queue=4, body=5_000, patience=5)


@pytest.fixture(scope="module")
def client(served: list[Run]) -> Iterator[TestClient]:
    with TestClient(create_app(served, LIMITS, Access()), base_url=HOST, raise_server_exceptions=False) as made:
        yield made


def lines(client: TestClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    answer = client.post(path, json={**body, "stream": True})
    assert answer.status_code == 200 and answer.headers["content-type"].startswith("application/x-ndjson")
    return [json.loads(line) for line in answer.text.splitlines()]


def refused(answer: Any, status: int) -> str:
    assert answer.status_code == status, answer.text
    message = answer.json()["error"]["message"]
    assert "Traceback" not in message
    return str(message)


@pytest.mark.parametrize("run", [0, 1])
@pytest.mark.parametrize(
    "how", [{}, {"temperature": 1.2}, {"top_k": 3, "repetition_penalty": 1.2}, {"without": ["花", "t"]}]
)
def test_a_sample_is_that_of_the_library(client: TestClient, served: list[Run], run: int, how: dict[str, Any]) -> None:
    from charrnn.generation.constraints import Without

    body = {"run": served[run].path.name, "prompt": "", "seed": 5, "samples": 3, "length": 25, **how}
    answer = client.post("/api/sample", json=body).json()
    own = {name: value for name, value in how.items() if name != "without"}
    constraint = Without(how["without"], served[run].vocabulary) if "without" in how else None
    wanted = served[run].sample("", length=25, seed=5, samples=3, constraint=constraint, **own)
    assert [one["text"] for one in answer["samples"]] == [one.text for one in wanted]
    assert [one["log_prob"] for one in answer["samples"]] == pytest.approx([one.log_prob for one in wanted], abs=1e-3)
    first, *portions = lines(client, "/api/sample", body)
    texts = [first["prompt"]] * 3
    for portion in portions:
        assert len(portion["text"]) == len(portion["bits"])
        texts[portion["index"]] += portion["text"]
    assert texts == [one.text for one in wanted]
    assert sum("end" in portion for portion in portions) == 3


def test_a_prompt_that_is_known_needs_no_thread(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    body = {"run": "play", "prompt": "be: that", "seed": 5, "length": 25}
    first = client.post("/api/sample", json=body).json()

    async def refused(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr("charrnn.desk.api.Desk.order", refused)
    assert client.post("/api/sample", json=body).json() == first
    assert client.post("/api/sample", json={**body, "without": ["z"]}).status_code == 500


def test_verse_is_kept(client: TestClient, served: list[Run]) -> None:
    pytest.importorskip("pypinyin", reason="the extra charrnn[verse] is not installed")
    body = {"form": "5x4", "acrostic": "春夜花床", "seed": 1}
    (one,) = client.post("/api/sample", json=body).json()["samples"]
    assert (
        one["text"]
        == served[0].sample("", length=200, seed=1, constraint=served[0].verse("5x4", acrostic="春夜花床"))[0].text
    )
    assert one["end"] == "stop" and one["constraint_bits"] > 0


def test_the_surprise_is_that_of_score(client: TestClient, served: list[Run], tmp_path: Any) -> None:
    text = "To be,\nor x not"
    file = tmp_path / "a.txt"
    file.write_text(text)
    wanted = [bits for row in served[1].score(file, "character") for bits in row.bits]
    answer = client.post("/api/score", json={"run": "play", "text": text}).json()
    assert "".join(answer["text"]) == text
    assert answer["bits"] == pytest.approx(wanted, abs=1e-3)
    assert answer["bits_per_char"] == pytest.approx(sum(wanted) / len(wanted), abs=1e-3)
    streamed = lines(client, "/api/score", {"run": "play", "text": text})
    assert [bits for line in streamed for bits in line["bits"]] == answer["bits"]


def test_next_characters_are_what_a_draw_may_give(client: TestClient, served: list[Run]) -> None:
    body = {"run": "play", "text": "To b", "count": 100}
    every = client.post("/api/next", json=body).json()["next"]
    assert sum(one["probability"] for one in every) == pytest.approx(1)
    assert sorted(one["probability"] for one in every)[::-1] == [one["probability"] for one in every]
    likeliest = served[1].sample("To b", temperature=0, length=1)[0].text[-1]
    assert every[0]["text"] == likeliest
    rest = client.post("/api/next", json={**body, "without": ["b" + likeliest]}).json()["next"]
    assert likeliest not in [one["text"] for one in rest]


def test_next_characters_are_those_that_a_writer_proposes(client: TestClient, served: list[Run]) -> None:
    for run, text in ((served[0], "春眠"), (served[1], "To b")):
        writer = run.writer(text, temperature=1)
        found = client.post("/api/next", json={"run": run.path.name, "text": text, "count": 6}).json()["next"]
        assert [(one["text"], one["probability"]) for one in found] == [
            (one.text, pytest.approx(one.probability)) for one in writer.propose(6)
        ]
    verse = {"run": "poems", "form": "5x4", "text": "春眠，"}
    assert "fit" in refused(client.post("/api/next", json=verse), 400)


def test_nothing_is_copied_where_that_is_asked_for(client: TestClient, served: list[Run], tmp_path: Path) -> None:
    pytest.importorskip("pydivsufsort", reason="the extra charrnn[novelty] is not installed")
    body = {"run": "play", "prompt": "To be, ", "seed": 5, "samples": 3, "length": 25, "original": 5}
    wanted = served[1].sample("To be, ", length=25, seed=5, samples=3, original=5)
    answer = client.post("/api/sample", json=body).json()
    assert [one["text"] for one in answer["samples"]] == [one.text for one in wanted]
    completed = {"model": "play", "prompt": "To be, ", "seed": 5, "n": 3, "max_tokens": 25, "original": 5}
    choices = client.post("/v1/completions", json=completed).json()["choices"]
    assert ["To be, " + one["text"] for one in choices] == [one.text for one in wanted]
    asked = {"run": "play", "text": "To be", "count": 100, "original": 5}
    proposed = [one["text"] for one in client.post("/api/next", json=asked).json()["next"]]
    every = [one["text"] for one in client.post("/api/next", json={**asked, "original": None}).json()["next"]]
    assert set(every) - set(proposed) == {",", ":"}  # "o be," and "o be:" stand in the corpus
    for wrong in (1, 5000, "6", 2.5):
        for path, of_run in (("/api/sample", "run"), ("/api/next", "run"), ("/v1/completions", "model")):
            asked = {of_run: "play", "original": wrong, **({"text": "a"} if path == "/api/next" else {})}
            assert "original" in refused(client.post(path, json=asked), 400)
    shutil.copytree(served[1].path, tmp_path / "stranger")
    facts = tmp_path / "stranger" / "run.json"
    document = json.loads(facts.read_text(encoding="utf-8")) | {"fingerprint": "0" * 64}
    facts.write_text(json.dumps(document), encoding="utf-8")
    stranger = charrnn.load(tmp_path / "stranger", "cpu")
    with TestClient(create_app([stranger], LIMITS, Access()), base_url=HOST) as made:
        assert "not in the cache" in refused(made.post("/api/sample", json={"prompt": "To", "original": 5}), 400)
        assert "not in the cache" in refused(made.post("/api/next", json={"text": "To", "original": 5}), 400)
        assert made.post("/api/sample", json={"prompt": "To", "length": 3}).status_code == 200


def test_fillings_judgements_and_lists(client: TestClient) -> None:
    filled = client.post("/api/fill", json={"run": "play", "text": "To b_", "samples": 2}).json()["texts"]
    assert len(filled) == 2 and all(one["text"].startswith("To b") for one in filled)
    assert [one["name"] for one in client.get("/api/runs").json()["runs"]] == ["poems", "play"]
    assert client.get("/api/forms").json()["ci"]
    if client.post("/api/verse", json={"text": "春"}).status_code == 200:
        (poem,) = client.post("/api/verse", json={"text": "床前明月光，疑是地上霜。舉頭望明月，低頭思故鄉。"}).json()[
            "poems"
        ]
        assert poem["form"] == "五絕" and not poem["right"]


def test_completions_have_the_shape_of_openai(client: TestClient, served: list[Run]) -> None:
    body = {"model": "play", "prompt": ["To", "or"], "max_tokens": 20, "n": 2, "seed": 3, "logprobs": 0}
    answer = client.post("/v1/completions", json=body).json()
    assert [one["index"] for one in answer["choices"]] == [0, 1, 2, 3]
    for prompt, own in (("To", answer["choices"][:2]), ("or", answer["choices"][2:])):
        wanted = served[1].sample(prompt, length=20, seed=3, samples=2)
        assert [prompt + one["text"] for one in own] == [one.text for one in wanted]
        assert [sum(one["logprobs"]["token_logprobs"]) for one in own] == pytest.approx(
            [one.log_prob for one in wanted], abs=1e-3
        )
    assert answer["usage"] == {"prompt_tokens": 4, "completion_tokens": 80, "total_tokens": 84}
    events = client.post("/v1/completions", json={**body, "stream": True}).text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    texts = [""] * 4
    for event in events[:-2]:
        (choice,) = json.loads(event.removeprefix("data: "))["choices"]
        texts[choice["index"]] += choice["text"]
    assert texts == [one["text"] for one in answer["choices"]]
    stop = answer["choices"][0]["text"][4:6]
    stopped = client.post("/v1/completions", json={**body, "prompt": "To", "n": 1, "stop": [stop]}).json()["choices"][0]
    assert stop not in stopped["text"] and stopped["finish_reason"] == "stop"
    assert client.get("/v1/models/play").json()["id"] == "play"
    wrong: list[dict[str, Any]] = [
        {"suffix": "x"},
        {"logprobs": 5},
        {"frequency_penalty": 1},
        {"logit_bias": {"1": 2}},
        {"best_of": 9},
    ]
    for more in wrong:
        refused(client.post("/v1/completions", json={**body, **more}), 400)


def test_the_client_of_openai_works(served: list[Run]) -> None:
    openai = pytest.importorskip("openai", reason="the package openai is not installed")
    httpx = pytest.importorskip("httpx")
    with TestClient(create_app(served, LIMITS, Access()), base_url=HOST) as made:

        def passed(request: Any) -> Any:
            answer = made.request(
                request.method, str(request.url), content=request.read(), headers=dict(request.headers)
            )
            return httpx.Response(answer.status_code, headers=dict(answer.headers), content=answer.content)

        own = httpx.Client(transport=httpx.MockTransport(passed))
        asked = openai.OpenAI(base_url=f"{HOST}/v1", api_key="any", http_client=own, max_retries=0)
        assert [one.id for one in asked.models.list()] == ["poems", "play"]
        whole = asked.completions.create(model="play", prompt="To", max_tokens=20, seed=1).choices[0].text
        parts = asked.completions.create(model="play", prompt="To", max_tokens=20, seed=1, stream=True)
        assert "".join(part.choices[0].text for part in parts) == whole
        with pytest.raises(openai.NotFoundError, match="no such run"):
            asked.completions.create(model="novel", prompt="a")


def test_mistakes_are_those_of_the_command(client: TestClient) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"length": 0}, "expected 1 or more characters"),
        ({"length": 201}, "at most 200"),
        ({"temperature": -1}, "temperature"),
        ({"seed": -1}, "seed"),
        ({"samples": 5}, "expected 1 to 4"),
        ({"prompt": "x" * 201}, "at most 200"),
        ({"prompt": "龘"}, "not in the model's vocabulary"),
        ({"form": "nonsense"}, "no such form"),
        ({"form": "/etc/passwd.yaml"}, "reads no files"),
        ({"form": "5x4", "rhyme_table": "/etc/passwd"}, "rhyme_table"),
        ({"tones": True}, "form"),
        ({"lenght": 3}, "nearest: length"),
        ({"prompt": 3}, "prompt"),
        ({"prompt": "\ud800"}, "surrogate"),
        ({"stop": ""}, "stop"),
    ]
    for body, words in cases:
        content = json.dumps({"run": "play", **body})
        answer = client.post("/api/sample", content=content, headers={"content-type": "application/json"})
        assert words in refused(answer, 400), body
    assert "play" in refused(client.post("/api/sample", json={"run": "novel"}), 404)
    refused(client.get("/nowhere"), 404)
    refused(client.get("/api/sample"), 405)
    refused(client.post("/api/sample", content="{}"), 415)
    refused(client.post("/api/sample", json={"prompt": "a" * 6000}), 413)
    deep = client.post("/api/sample", content="[" * 4000, headers={"content-type": "application/json"})
    assert "brackets" in refused(deep, 400) or "JSON" in refused(deep, 400)


@pytest.mark.parametrize(
    "path", ["/api/sample", "/api/next", "/api/score", "/api/fill", "/api/verse", "/v1/completions"]
)
@given(data=st.data())
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_body_makes_it_stumble(client: TestClient, path: str, data: st.DataObject) -> None:
    described = client.get("/openapi.json").json()
    name = described["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]["$ref"].rsplit("/")[
        -1
    ]
    keys = sorted(described["components"]["schemas"][name]["properties"])
    anything = st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=8)
        | st.sampled_from(["play", "5x4"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
        max_leaves=5,
    )
    body = data.draw(st.dictionaries(st.sampled_from([*keys, "more"]), anything, max_size=4) | anything)
    headers = {"content-type": "application/json"}
    answer = client.post(path, content=json.dumps(body), headers=headers)
    assert answer.status_code in (200, 400, 404, 413)
    raw = client.post(path, content=data.draw(st.binary(max_size=40)), headers=headers)
    refused(raw, 400)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 421),
        ({"host": "127.0.0.1.evil.example:8000"}, 421),
        ({"host": ""}, 421),
        ({"host": "192.168.1.7:8000"}, 421),
        ({"host": "localhost:9000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": HOST}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_who_asks_by_what_name(client: TestClient, headers: dict[str, str], status: int) -> None:
    answer = client.post("/api/sample", json={"run": "play", "length": 3}, headers=headers)
    assert answer.status_code == status
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_token_is_needed_elsewhere(served: list[Run]) -> None:
    access = Access({"desk.example"}, addresses=True, token="secret")
    with TestClient(create_app(served, LIMITS, access), base_url="http://10.0.0.1:8000") as made:
        for path in ("/", "/api/runs", "/openapi.json", "/v1/models"):
            refused(made.get(path), 401)
            refused(made.get(path, headers={"authorization": "Bearer secre"}), 401)
            assert made.get(path, headers={"authorization": "Bearer secret"}).status_code == 200
            made.cookies.clear()
        assert made.get("/page.js").status_code == 200
        assert made.get("/?token=secret").status_code == 200  # which leaves a cookie
        assert made.get("/api/runs").status_code == 200
        assert made.get("/api/runs", headers={"host": "desk.example"}).status_code == 200
        refused(made.get("/api/runs", headers={"host": "evil.example"}), 421)


def test_everything_is_described(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    for path, methods in described["paths"].items():
        for method, told in methods.items():
            assert told["summary"] and told["responses"], path
            if "{" not in path:
                assert client.request(method, path).status_code in (200, 415)


def test_a_client_that_leaves_stops_its_text(served: list[Run]) -> None:
    import socket
    import threading

    import uvicorn

    from charrnn.desk.connections import Impatient

    app = create_app(served, Limits(length=1_000_000), Access())
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, http=Impatient, ws="none", loop="asyncio"))
    own = socket.create_server(("127.0.0.1", 0))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [own]}, daemon=True)
    thread.start()
    wait_until(lambda: app.state.desk.shelf.find("play").batching is not None)
    batching: Batching = app.state.desk.shelf.find("play").batching
    try:
        for stream in (True, False):
            body = json.dumps({"run": "play", "length": 1_000_000, "stream": stream}).encode()
            head = b"POST /api/sample HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
            with socket.create_connection(own.getsockname()) as asked:
                asked.sendall(head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
                wait_until(lambda: batching.texts == 1)
            wait_until(lambda: batching.texts == 0)
    finally:
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def wait_until(holds: Any) -> None:
    import time

    deadline = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)
