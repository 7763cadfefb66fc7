"""Loggers: all are told the same, once, and none stops a training, whatever becomes of it."""

import io
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml
from PIL import Image
from rich.console import Console

from genbench.cli import compose
from genbench.config import loggers as config_loggers
from genbench.config.train import TrainConfig, parse_train
from genbench.errors import UserError
from genbench.runs.directory import Run
from genbench.runs.logged import Memory
from genbench.runs.records import Row, State
from genbench.training.loggers import background, opening
from genbench.training.loggers.background import Background
from genbench.training.loggers.opening import Loggers
from genbench.training.loggers.secrets import without_secrets
from tests.conftest import Command
from tests.runs.example import CONFIG, example

ROWS = [Row(images, {"train/loss": 1.0 / images, "fast/fcd": float(images)}) for images in (64, 128, 192, 256)]
PICTURE = Image.new("RGB", (8, 8), "red")


def nobody(run: Run) -> Loggers:
    return Loggers(run, None, Console(quiet=True))


def wanting(**logger: Any) -> TrainConfig:
    return parse_train({**CONFIG, "logger": logger})


@contextmanager
def told(run: Run, screen: io.StringIO | None = None, **logger: Any) -> Iterator[Loggers]:
    """The loggers of a run, open; ended as for a finished training."""
    loggers = Loggers(run, wanting(**logger), Console(file=screen or io.StringIO(), width=500))
    loggers.begin()
    yield loggers
    loggers.end("finished")


def told_tensorboard(run: Run) -> Any:
    return told(run, tensorboard=True)


class Noted:
    """Notes what it is told, and fails or hangs where it is told to."""

    def __init__(self, fails_at: str = "", hangs_at: str = "") -> None:
        self.calls: list[Any] = []
        self.go_on = threading.Event()
        self._fails, self._hangs = fails_at, hangs_at

    def _note(self, name: str, *what: Any) -> None:
        if name == self._hangs:
            self.go_on.wait()
        if name == self._fails:
            raise OSError("no space left on http://me:secret@host/x")
        self.calls.append((name, *what))

    def begin(self) -> str:
        self._note("begin")
        return "somewhere"

    def rows(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._note("row", row.images)

    def catch_up(self, rows: Sequence[Row]) -> None:
        self._note("catch_up")

    def picture(self, name: str, picture: Image.Image, images_seen: int) -> None:
        self._note("picture", images_seen)

    def results(self, settings: Mapping[str, str | float], results: Mapping[str, float], images_seen: int) -> None:
        self._note("results")

    def end(self, state: State) -> None:
        self._note("end", state)


def tell_all(logger: Noted) -> list[str]:
    """Tell it a training; what was said of it."""
    said: list[str] = []
    told = Background(logger, said.append, lambda place: None)
    for row in ROWS:
        told.tell(row)
        told.tell(lambda logger, row=row: logger.picture("samples", PICTURE, row.images))  # type: ignore[misc]
    told.end("finished", 5.0)
    return said


def test_all_is_told_in_order() -> None:
    logger = Noted()
    assert tell_all(logger) == []
    between = [call for row in ROWS for call in (("row", row.images), ("picture", row.images))]
    assert logger.calls == [("begin",), *between, ("end", "finished")]


@pytest.mark.parametrize("call", ["begin", "row", "picture", "end"])
def test_one_that_fails_is_said_once_without_secrets_and_told_no_more(call: str) -> None:
    logger = Noted(fails_at=call)
    assert tell_all(logger) == ["OSError: no space left on http://host/x"]
    assert not any(name == call for name, *_ in logger.calls)


@pytest.mark.parametrize("call", ["begin", "row", "picture", "end"])
@pytest.mark.slow
def test_one_that_hangs_is_waited_for_a_while_and_then_left(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "PATIENCE", 0.05)
    logger = Noted(hangs_at=call)
    (said,) = tell_all(logger)
    assert said.startswith("no answer for")
    logger.go_on.set()


def test_a_failure_stands_in_the_log_and_the_others_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Noted()
    makers = {"broken": lambda _: Noted(fails_at="row"), "sound": lambda _: sound, "missing": lambda _: 1 / 0}
    monkeypatch.setattr(opening, "_makers", lambda config: makers)
    run, screen = example(tmp_path / "run"), io.StringIO()
    with opening.opened(run, run.config(), Console(file=screen, width=500)) as loggers:
        loggers.begin()
        for row in ROWS:
            loggers.row(row)
        loggers.results()
    assert [call[0] for call in sound.calls if call[0] != "picture"] == [
        *("begin", "row", "row", "row", "row", "catch_up", "results", "end")
    ]
    for text in (screen.getvalue(), run.log_path.read_text(encoding="utf-8")):
        assert text.count("logger broken: OSError") == text.count("logger missing: ZeroDivisionError") == 1


def test_what_goes_wrong_in_a_thread_of_a_library_is_written_down(tmp_path: Path) -> None:
    run, hook = example(tmp_path / "run"), threading.excepthook

    def fail() -> None:
        raise ValueError("in a thread")

    with opening.opened(run, run.config(), Console(quiet=True)):
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
    assert "in a thread" in run.log_path.read_text(encoding="utf-8")
    assert threading.excepthook is hook


def test_a_directory_that_is_gone_does_not_hide_what_happened(tmp_path: Path) -> None:
    run = example(tmp_path / "run")

    def fail() -> None:
        with opening.opened(run, run.config(), Console(quiet=True)):
            (run.path / "status.json").unlink()
            raise KeyError("first")

    with pytest.raises(KeyError, match="first"):
        fail()


def test_what_was_told_is_not_told_again(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    memory = Memory(run, "mlflow")
    memory.begin("1", "here")
    memory.told(memory.untold(ROWS[:2]))
    again = Memory(run, "mlflow")
    again.begin("1", "there")
    assert again.untold([*ROWS, Row(64, {"new": 1.0})]) == [*ROWS[2:], Row(64, {"new": 1.0})]
    again.told_results({"fcd": 1.0, "recall": 2.0})
    assert again.other_results({"fcd": 1.0, "recall": 3.0}) == {"recall": 3.0}
    again.begin("2", "here")  # another run there
    assert again.untold(ROWS) == ROWS
    damaged = run.path / "mlflow.json"
    damaged.write_text(damaged.read_text(encoding="utf-8").replace('"2"', '"3"'), encoding="utf-8")
    with pytest.raises(UserError, match="delete it"):
        Memory(run, "mlflow")


def test_secrets_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abcdef")
    text = "cannot reach https://me:pw@host:5000/a?token=xyz with abcdef"
    assert without_secrets(text) == "cannot reach https://host:5000/a with ***"


def the_logger(*words: str) -> Any:
    return compose("train", list(words)).configs[0].logger


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No address, mode or login in the environment."""
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE", "WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "NETRC"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.mark.usefixtures("bare")
@pytest.mark.slow
def test_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert the_logger().model_dump(exclude_none=True) == {"tensorboard": True}
    assert the_logger("logger=csv") == the_logger("logger=none")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:pw@127.0.0.1:1")
    several = the_logger("logger=tensorboard,mlflow,wandb", "logger.wandb.mode=offline", "logger.mlflow.experiment=x")
    assert several.tensorboard
    assert (several.mlflow.tracking_uri, several.mlflow.experiment) == (None, "x")
    assert len(compose("train", ["-m", "logger=tensorboard,mlflow", "seed=0,1"]).configs) == 2


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["logger=mlflow"], "where is the server"),
        (["logger=wandb"], "wandb login"),
        (["logger=mlflow", "logger.mlflow.tracking_uri=http://me:hush@h"], "password"),
        (["logger=mlflw"], "did you mean mlflow"),
        (["logger=wandb", "logger.wandb.mode=ofline"], "did you mean offline"),
    ],
)
def test_a_mistake_is_answered_before_anything_is_made(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        the_logger(*words)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("name", ["mlflow", "wandb"])
def test_a_missing_library_is_named_with_its_remedy(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config_loggers, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=rf"pip install 'genbench\[{name}\]'"):
        the_logger(f"logger={name}")


def test_configs_of_before_are_read() -> None:
    for old, now in ((None, False), ("torch.utils.tensorboard.SummaryWriter", True)):
        assert parse_train({**CONFIG, "logger": {"_target_": old, "flush_secs": 10}}).logger.tensorboard is now
    stored = yaml.safe_load(wanting(mlflow={}, tensorboard=True).to_yaml())
    assert parse_train(stored).logger == wanting(mlflow={}, tensorboard=True).logger


@pytest.mark.slow
def test_libraries_are_imported_only_if_they_are_asked_for() -> None:
    code = "import sys, genbench.verbs.train, genbench.training.engine; print({'mlflow', 'wandb'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server's address."""
    with serving(tmp_path_factory.mktemp("mlflow")) as (address, _):
        yield address


@contextmanager
def serving(folder: Path) -> Iterator[tuple[str, Callable[[], None]]]:
    """A real MLflow server: its address, and what kills it."""
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    store = [
        "--backend-store-uri",
        f"sqlite:///{folder}/store.db",
        "--artifacts-destination",
        str(folder / "artifacts"),
    ]
    words = [sys.executable, "-m", "mlflow", "server", *store, "--host", "127.0.0.1", "--port", str(port)]
    quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment = {**os.environ, **quiet}
    with (folder / "log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(
            [*words, "--workers", "1"], stdout=log, stderr=log, env=environment, start_new_session=True
        )

        def end(number: int = signal.SIGKILL) -> None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, number)  # with its worker
            process.wait()

        try:
            _wait_for(f"http://127.0.0.1:{port}/health", process)
            yield f"http://127.0.0.1:{port}", end
        finally:
            end(signal.SIGTERM)


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        try:
            with urlopen(address, timeout=5):
                return
        except OSError:
            assert process.poll() is None
            time.sleep(0.2)
    raise TimeoutError(address)


def client(server: str) -> Any:
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=server)


def points(server: str, run: Run, name: str) -> list[tuple[int, float]]:
    """What the server has of a curve."""
    known = Memory(run, "mlflow").logged
    assert known is not None
    return [(point.step, point.value) for point in client(server).get_metric_history(known.id, name)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the library's
def test_a_resumed_run_goes_on_in_the_same_mlflow_run(server: str, tmp_path: Path) -> None:
    run, mlflow = example(tmp_path / "run"), {"tracking_uri": server, "experiment": "resumed"}
    run.write_metrics(ROWS)
    states = random.getstate()
    with told(run, mlflow=mlflow) as loggers:
        for row in ROWS[:2]:
            loggers.row(row)
        loggers.picture("samples", PICTURE, 128)
    for _ in range(2):
        with told(run, mlflow=mlflow) as loggers:
            loggers.catch_up(ROWS[:3])  # of the last checkpoint, before which not all was told
            loggers.picture("samples", PICTURE, 128)
            loggers.row(ROWS[3])
            loggers.results()
    assert random.getstate() == states
    assert points(server, run, "train/loss") == [(row.images, row.values["train/loss"]) for row in ROWS]
    assert points(server, run, "validation/fast_fcd") == [(row.images, row.images) for row in ROWS]
    assert points(server, run, "when_finished/classifier_fcd") == [(640, 8.0)]
    known = Memory(run, "mlflow").logged
    assert known is not None
    (found,) = client(server).search_runs([client(server).get_experiment_by_name("resumed").experiment_id])
    assert (found.info.run_id, found.info.status) == (known.id, "FINISHED")
    assert found.data.params["seed"] == "3"
    assert found.data.tags["genbench.directory"] == str(run.path.absolute())
    kept = [file.path for file in client(server).list_artifacts(known.id, "images")]
    assert len([path for path in kept if "samples" in path and path.endswith(".png")]) == 1
    assert known.id in known.place


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_training_tells_all_its_loggers_and_comes_to_the_same_bytes(
    server: str, runs: Path, command: Command, tmp_path: Path
) -> None:
    words = ["model=vae", "experiment=smoke", "trainer=cpu", f"runs={tmp_path}", "logger=tensorboard,mlflow,wandb"]
    words += [f"logger.mlflow.tracking_uri={server}", "logger.wandb.mode=offline"]
    done = command("genbench.train", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert server in done.stdout
    assert "wandb sync" in done.stdout
    (run,) = (Run(path.parent) for path in tmp_path.glob("*/status.json"))
    other = Run(next(runs.glob("*-vae-*")))
    assert run.weights.read_bytes() == other.weights.read_bytes()
    assert run.metrics() == other.metrics()
    for name in ("train/loss", "validation/loss"):
        assert points(server, run, name) == run.metrics().curve(name)
    known = Memory(run, "mlflow").logged
    assert known is not None
    assert client(server).get_run(known.id).info.status == "FINISHED"
    kept = {file.path for file in client(server).list_artifacts(known.id)}
    assert {"config.yaml", "images"} <= kept
    told = offline(run)
    assert [(at["images"], at["train/loss"]) for at in told["history"] if "train/loss" in at] == run.metrics().curve(
        "train/loss"
    )
    assert any(name.startswith("validation_pictures/samples") for at in told["history"] for name in at)
    assert told["summary"]["when_finished/images_seen"] == 640
    assert told["config"]["directory"] == str(run.path.absolute())


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_server_that_dies_while_it_is_told_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    screen, run = io.StringIO(), example(tmp_path / "run")
    with (
        serving(tmp_path) as (address, kill),
        told(run, screen, tensorboard=True, mlflow={"tracking_uri": address}) as loggers,
    ):
        loggers.row(ROWS[0])
        deadline = time.monotonic() + 60
        while not (Memory(run, "mlflow").logged and points(address, run, "train/loss")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        kill()
        for row in ROWS[1:]:
            loggers.row(row)
        loggers.results()
        assert loggers  # the other is told on
    assert screen.getvalue().count("logger mlflow:") == 1


def offline(run: Run) -> dict[str, Any]:
    """What stands in a run's files of W&B, from the first to the last."""
    from wandb.proto import wandb_internal_pb2

    kind: Any = wandb_internal_pb2

    told: dict[str, Any] = {"history": [], "summary": {}, "config": {}}
    for path in sorted(run.path.glob("wandb/offline-run-*/*.wandb")):
        for content in _records(path.read_bytes()):
            record = kind.Record.FromString(content)
            if record.HasField("history"):
                told["history"].append({_key(item): json.loads(item.value_json) for item in record.history.item})
            for name, update in (("summary", record.summary.update), ("config", record.run.config.update)):
                told[name] |= {_key(item): json.loads(item.value_json) for item in update}
    return told


def _key(item: Any) -> str:
    return str(item.key or "/".join(item.nested_key))


def _records(content: bytes) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: blocks of 32 KiB with parts of (checksum, length, kind) before each."""
    at, whole = 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        whole += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_resumed_run_goes_on_in_the_same_wandb_run(tmp_path: Path) -> None:
    run = example(tmp_path / "run")
    for rows in (ROWS[:2], ROWS):
        with told(run, wandb={"mode": "offline"}) as loggers:
            loggers.catch_up(rows)
        time.sleep(1.0)  # W&B names its folders by the second
    ids = {path.stem.rpartition("-")[2] for path in run.path.glob("wandb/offline-run-*/*.wandb")}
    assert len(ids) == 1
    assert [at["images"] for at in offline(run)["history"]] == [row.images for row in ROWS]
    with Run(run.path).held(run.config().to_yaml(), overwrite=True):
        pass
    assert not (run.path / "wandb").exists()
    assert not (run.path / "wandb.json").exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("answers", [False, True])
def test_an_address_where_no_mlflow_answers_is_said_once(
    answers: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(background, "PATIENCE", 2.0)
    screen, run = io.StringIO(), example(tmp_path / "run")
    with closing(socket.socket()) as nobody_there:
        nobody_there.bind(("127.0.0.1", 0))
        if answers:  # and never says a word
            nobody_there.listen()
        mlflow = {"tracking_uri": f"http://127.0.0.1:{nobody_there.getsockname()[1]}"}
        with told(run, screen, mlflow=mlflow) as loggers:
            for row in ROWS:
                loggers.row(row)
            loggers.results()
        assert not loggers
    assert screen.getvalue().count("logger mlflow:") == 1
