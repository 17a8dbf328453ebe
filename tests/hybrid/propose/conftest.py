"""An OpenAI-compatible endpoint in this process that fails as it is told, and counts everything that it is asked."""

import json
import threading
import uuid
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import polars as pl
import pytest

import annotune as at
from annotune.hybrid.propose import pace


def chat(content, model="gpt-test", logprobs=None, tokens=(40, 8), **more):
    """The body of an answer."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": content}}
    if logprobs:
        choice["logprobs"] = {"content": [{"token": token, "logprob": value} for token, value in logprobs]}
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": sum(tokens)}
    return {"id": "x", "object": "chat.completion", "model": model, "choices": [choice], "usage": usage, **more}


def topic(text):
    """What the endpoint takes a text to be about."""
    return "Law" if "court" in text else "Health"


class Endpoint(ThreadingHTTPServer):
    """`reply(text, n)` says what comes back the n-th time that a text is asked about.

    That is the words of an answer, the arguments of `chat`, a body (bytes), a status, a status with headers or with the
    words of the refusal, or one of `drop`, `half` (a body that breaks off) and `slow` (nobody waits so long).
    """

    daemon_threads = True

    def __init__(self, reply=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reply = reply or (lambda text, n: json.dumps({"topic": topic(text)}))
        self.asked, self.answered, self.bodies, self.headers, self.lock = Counter(), [], [], [], threading.Lock()
        self.files, self.batches, self.batch_lines = {}, {}, None
        self.closing = threading.Event()
        self.thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_port}/v1"

    def finish(self):
        """All batches are done."""
        for name, batch in self.batches.items():
            batch.update(status="completed", output_file_id=f"{name}-out")

    def handle_error(self, *_):
        """A client that was killed is no error."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        content = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/chat/completions"):
            return self.complete(json.loads(content))
        if self.path.endswith("/files"):
            name = f"file-{len(self.server.files)}"
            lines = [line for line in content.split(b"\n") if line.startswith(b'{"custom_id"')]
            self.server.files[name] = b"\n".join(lines)
            return self.send(200, {"id": name, "object": "file", "bytes": 1, "created_at": 1, "filename": "x",
                                   "purpose": "batch", "status": "processed"})  # fmt: skip
        if self.path.endswith("/batches"):
            return self.batch(json.loads(content))
        return self.send(404, {"error": {"message": "no such path"}})

    def do_GET(self):
        server, parts = self.server, self.path.partition("?")[0].split("/")
        if parts[-2] == "batches":
            return self.send(200, server.batches[parts[-1]])
        if parts[-1] == "batches":
            return self.send(200, {"object": "list", "data": list(server.batches.values()), "has_more": False})
        if parts[-1] == "content":
            return self.send(200, server.files[parts[-2]])
        return self.send(404, {"error": {"message": "no such path"}})

    def complete(self, body):
        server, text = self.server, body["messages"][-1]["content"]
        with server.lock:
            server.asked[text] += 1
            n = server.asked[text]
            server.bodies.append(body)
            server.headers.append(dict(self.headers))
        reply = server.reply(text, n)
        status, headers = 200, {}
        if reply == "drop":
            self.close_connection = True
            return None
        if reply == "slow":
            server.closing.wait(60)
            reply = '{"topic": "Health"}'
        if isinstance(reply, int):
            reply = reply, "it failed"
        if isinstance(reply, tuple):
            status, more = reply
            headers, words = (more, "it failed") if isinstance(more, dict) else ({}, more)
            reply = json.dumps({"error": {"message": words}}).encode()
        elif reply == "half":
            reply = json.dumps(chat('{"topic": "Health"}')).encode()[:70]
        elif isinstance(reply, str):
            reply = chat(reply)
        elif isinstance(reply, dict):
            reply = chat(**reply)
        if status == 200:
            with server.lock:
                server.answered.append(text)
        return self.send(status, reply, headers)

    def batch(self, body):
        server, name = self.server, f"batch_{uuid.uuid4().hex[:8]}"
        lines = [json.loads(line) for line in server.files[body["input_file_id"]].split(b"\n")]
        done = [self.line(line) for line in reversed(lines)]  # in another order than they came
        if server.batch_lines is not None:
            done = server.batch_lines(done)
        lines = [line if isinstance(line, str) else json.dumps(line) for line in done]
        server.files[f"{name}-out"] = "\n".join(lines).encode()
        server.batches[name] = {
            "id": name, "object": "batch", "completion_window": "24h", "created_at": 1, "endpoint": body["endpoint"],
            "input_file_id": body["input_file_id"], "status": "in_progress", "metadata": body["metadata"],
            "output_file_id": None,
        }  # fmt: skip
        return self.send(200, server.batches[name])

    def line(self, line):
        text = line["body"]["messages"][-1]["content"]
        self.server.asked[text] += 1
        answer = chat(json.dumps({"topic": topic(text)}))
        return {"custom_id": line["custom_id"], "response": {"status_code": 200, "body": answer}, "error": None}

    def send(self, status, content, headers=()):
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in dict(headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def serve():
    """Starts an endpoint that replies as it is told."""
    servers = []

    def start(reply=None):
        servers.append(Endpoint(reply))
        servers[-1].thread.start()
        return servers[-1]

    yield start
    for server in servers:
        server.closing.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def book():
    """One variable with two labels."""
    labels = (at.Label(code=1, name="Health", definition="Hospitals."), at.Label(code=2, name="Law"))
    return at.Codebook(variables=(at.Variable(name="topic", labels=labels),))


@pytest.fixture
def corpus():
    """Twenty texts, all different, every third about health."""
    texts = [f"Text {number}: {'court' if number % 3 else 'nurse'}" for number in range(20)]
    return pl.DataFrame({"unit_id": [f"u{number:02}" for number in range(20)], "text": texts})


@pytest.fixture
def store(tmp_path):
    return tmp_path / "study.annotune"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    """Nothing is waited for in tests, and no key is in the environment."""
    monkeypatch.setattr(pace, "FIRST_WAIT", 0.01)
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
