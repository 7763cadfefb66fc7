import gzip
import hashlib
import io
import json
import logging
import os
import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from rich.console import Console

from genbench.config.data import DataConfig
from genbench.data import idx
from genbench.data.idx import FILES, TEST_LABELS, TRAIN_IMAGES, Downloads, IdxDataSet
from genbench.data.images import ImageData
from genbench.data.sources import assembled
from genbench.errors import UserError
from genbench.progress import announce, shown


def idx_bytes(array: torch.Tensor) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.numpy().tobytes()


GENERATOR = torch.Generator().manual_seed(0)
CONTENT = {  # 24 training and 6 test images of 8x8 with three classes
    name: idx_bytes(
        torch.randint(0, 256, (n, 8, 8), generator=GENERATOR, dtype=torch.uint8)
        if "images" in name
        else (torch.arange(n) % 3).to(torch.uint8)
    )
    for name, n in zip(FILES, (24, 24, 6, 6), strict=True)
}
ARCHIVES = {f"{name}.gz": gzip.compress(data, mtime=0) for name, data in CONTENT.items()}


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def tiny(*mirrors: str, debian: Path | None = None) -> IdxDataSet:
    return IdxDataSet(
        name="tiny",
        folder="Tiny",
        classes=("a", "b", "c"),
        md5={name: md5(data) for name, data in CONTENT.items()},
        gate=0.5,
        downloads=lambda: Downloads(mirrors, {name: md5(data) for name, data in ARCHIVES.items()}),
        debian=debian,
    )


def write(folder: Path, files: dict[str, bytes]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def load(about: IdxDataSet, root: Path | str | None) -> ImageData:
    where = None if root is None else str(root)
    config = DataConfig(load="genbench.data.tiny.load", root=where, batch_size=64)
    return assembled(idx.load(about, config), config)


def is_tiny(data: ImageData) -> bool:
    expected = torch.from_numpy(idx.parse_idx(CONTENT[TRAIN_IMAGES], 3).copy())
    order = [i for i in range(24) if i not in (12, 13)]
    assert data.train.labels is not None
    assert data.shape == (1, 8, 8)
    assert (len(data.train), len(data.validation), len(data.test)) == (22, 2, 6)
    assert data.train.labels.dtype == torch.int64
    return torch.equal(data.train.images[:, 0], expected[order]) and data.classes == ("a", "b", "c")


def snapshot(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@dataclass
class Mirrors:
    """A local server: what each folder of it answers, and what was asked for."""

    url: str = ""
    answers: dict[str, Callable[[str], tuple[int, bytes]]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def __getitem__(self, name: str) -> str:
        return f"{self.url}/{name}/"


@pytest.fixture
def mirrors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirrors]:
    state = Mirrors(
        answers={
            "whole": lambda name: (200, ARCHIVES[name]),
            "forbidden": lambda _: (403, b""),
            "missing": lambda _: (404, b""),
            "half": lambda name: (200, ARCHIVES[name][: len(ARCHIVES[name]) // 2]),
            "portal": lambda _: (200, b"<html>please log in</html>"),
        }
    )

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, mirror, name = self.path.split("/")
            state.asked[self.path[1:]] += 1
            status, body = state.answers[mirror](name)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if body:
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    monkeypatch.setenv("no_proxy", "*")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    yield state
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The set's folder in an empty cache; no data folder is set."""
    monkeypatch.delenv("GENBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "genbench" / "Tiny" / "raw"


def error_of(about: IdxDataSet, root: Path | str | None) -> str:
    with pytest.raises(UserError) as caught:
        load(about, root)
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_download_is_said_where_no_bar_shows_it(mirrors: Mirrors) -> None:
    """For minutes nothing was."""
    screen, terminal = io.StringIO(), io.StringIO()
    about = tiny(mirrors["missing"], mirrors["whole"])
    with shown(Console(file=screen, width=40)):
        assert is_tiny(load(about, None))
        assert is_tiny(load(about, None))  # the second time it is there
    lines = screen.getvalue().splitlines()
    assert lines[:2] == [f"downloading {mirrors[where]}{TRAIN_IMAGES}.gz" for where in ("missing", "whole")]
    assert len(lines) == len(mirrors.asked) == 8
    with shown(Console(file=terminal, force_terminal=True)):
        announce("downloading")
    assert terminal.getvalue() == ""


# Where it is found


@pytest.mark.parametrize("below", ["Tiny/raw", "raw", "."])
@pytest.mark.parametrize("files", [CONTENT, ARCHIVES], ids=["plain", "gzip"])
def test_root_may_hold_the_files_in_three_places(tmp_path: Path, below: str, files: dict[str, bytes]) -> None:
    write(tmp_path / "root" / below, files)
    assert is_tiny(load(tiny(), str(tmp_path / "root")))


def test_nothing_is_written_beside_the_files(tmp_path: Path, cache: Path) -> None:
    root = write(tmp_path / "root" / "Tiny" / "raw", ARCHIVES)
    for path in (*root.iterdir(), root):
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = snapshot(root.parent)
    assert is_tiny(load(tiny(), str(tmp_path / "root")))
    assert snapshot(root.parent) == before
    assert not cache.exists()


def test_given_root_without_the_files_is_an_error_although_they_are_elsewhere(tmp_path: Path, cache: Path) -> None:
    write(cache, ARCHIVES)
    (tmp_path / "root").mkdir()
    text = error_of(tiny(), tmp_path / "root")
    assert str(tmp_path / "root") in text
    assert f"Tiny/raw/{TRAIN_IMAGES}.gz" in text
    assert "does not hold Tiny" in error_of(tiny(), tmp_path / "nowhere")


def test_given_root_comes_before_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "root", ARCHIVES)
    monkeypatch.setenv("GENBENCH_DATA", str(write(tmp_path / "env", {TRAIN_IMAGES: b"damaged"})))
    assert is_tiny(load(tiny(), str(tmp_path / "root")))


def test_environment_comes_before_the_cache(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(cache, {TRAIN_IMAGES: b"damaged"})
    write(tmp_path / "env" / "Tiny" / "raw", ARCHIVES)
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "env"))
    assert is_tiny(load(tiny(), None))


def test_environment_without_the_files_falls_through_with_one_log_line(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write(cache, ARCHIVES)
    monkeypatch.setenv("GENBENCH_DATA", str(tmp_path / "nothing"))
    with caplog.at_level(logging.INFO):
        assert is_tiny(load(tiny(), None))
    (record,) = caplog.records
    assert f"GENBENCH_DATA={tmp_path / 'nothing'}" in record.getMessage()


def test_damage_in_the_environments_folder_is_an_error(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(cache, ARCHIVES)
    monkeypatch.setenv("GENBENCH_DATA", str(write(tmp_path / "env", {**CONTENT, TEST_LABELS: b"damaged"})))
    assert str(tmp_path / "env" / TEST_LABELS) in error_of(tiny(), None)


def test_cache_comes_before_debian_and_debian_before_the_download(
    tmp_path: Path, cache: Path, mirrors: Mirrors
) -> None:
    debian = write(tmp_path / "debian", ARCHIVES)
    about = tiny(mirrors["whole"], debian=debian)
    assert is_tiny(load(about, None))
    assert not cache.exists()
    write(cache, ARCHIVES)
    write(debian, {f"{TRAIN_IMAGES}.gz": b"damaged"})
    assert is_tiny(load(about, None))
    assert not mirrors.asked


def test_home_is_the_cache_without_xdg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / ".cache" / "genbench" / "Tiny" / "raw", ARCHIVES)
    assert is_tiny(load(tiny(), None))


# Damage


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: data[:-1], id="one byte short"),
        pytest.param(lambda _: b"", id="empty"),
        *(
            pytest.param(lambda data, i=i: data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :], id=f"bit flip at {i}")
            for i in (0, 2, 12, 200, -5)
        ),
        pytest.param(lambda _: ARCHIVES["t10k-images-idx3-ubyte.gz"], id="another file"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_damaged_file_is_named(tmp_path: Path, damage: Callable[[bytes], bytes], suffix: str) -> None:
    files = ARCHIVES if suffix else CONTENT
    name = TRAIN_IMAGES + suffix
    write(tmp_path, {**files, name: damage(files[name])})
    text = error_of(tiny(), tmp_path)
    assert str(tmp_path / name) in text
    assert "replace it by the official file of Tiny" in text


def test_unreadable_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, ARCHIVES)
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    (tmp_path / f"{TEST_LABELS}.gz").mkdir()
    text = error_of(tiny(), tmp_path)
    assert f"cannot read {tmp_path / TEST_LABELS}.gz" in text
    assert "make it readable" in text


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    write(tmp_path, ARCHIVES)
    (tmp_path / f"{TEST_LABELS}.gz").unlink()
    os.mkfifo(tmp_path / f"{TEST_LABELS}.gz")
    assert f"cannot read {tmp_path / TEST_LABELS}.gz (it is not a file)" in error_of(tiny(), tmp_path)


def test_folder_that_may_not_be_entered_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "stat", refuse)
    text = error_of(tiny(), tmp_path)
    assert str(tmp_path) in text
    assert "Permission denied" in text


def test_missing_file_of_four_is_named(tmp_path: Path) -> None:
    write(tmp_path, {name: data for name, data in ARCHIVES.items() if not name.startswith(TEST_LABELS)})
    assert f"{tmp_path} lacks {TEST_LABELS}.gz" in error_of(tiny(), tmp_path)


def test_sound_archive_beside_a_damaged_plain_file_is_enough(tmp_path: Path) -> None:
    write(tmp_path, {**ARCHIVES, TRAIN_IMAGES: b"half unpacked"})
    assert is_tiny(load(tiny(), str(tmp_path)))


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0\x08",
        CONTENT[TEST_LABELS],  # one dimension instead of three
        b"\0\0\x0d\x03" + CONTENT[TRAIN_IMAGES][4:],  # floats
        CONTENT[TRAIN_IMAGES][:-1],
        CONTENT[TRAIN_IMAGES] + b"\0",
        b"\0\0\x08\x03" + bytes(12),  # no images
    ],
)
def test_parse_idx_validates_magic_and_size(data: bytes) -> None:
    with pytest.raises(ValueError, match="IDX"):
        idx.parse_idx(data, 3)


def test_parse_idx_known_answer() -> None:
    data = bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 1, 2, 253, 254, 255])
    assert idx.parse_idx(data, 2).tolist() == [[0, 1, 2], [253, 254, 255]]


# Download


@pytest.mark.parametrize("bad", ["forbidden", "missing", "half", "portal"])
def test_every_mirror_is_tried_for_every_file(cache: Path, mirrors: Mirrors, bad: str) -> None:
    assert is_tiny(load(tiny(mirrors[bad], mirrors["whole"]), None))
    assert {path: data for path, data in snapshot(cache).items() if path != ".lock"} == ARCHIVES
    assert {path for path in mirrors.asked if path.startswith(bad)} == {f"{bad}/{name}" for name in ARCHIVES}
    mirrors.asked.clear()
    assert is_tiny(load(tiny(mirrors[bad], mirrors["whole"]), None))
    assert not mirrors.asked


@pytest.mark.parametrize("form", ["", ".gz"])
def test_damaged_or_missing_cache_files_are_downloaded_anew(cache: Path, mirrors: Mirrors, form: str) -> None:
    write(cache, ARCHIVES)
    (cache / f"{TRAIN_IMAGES}.gz").unlink()
    (cache / f"{TEST_LABELS}.gz").unlink()
    write(cache, {TRAIN_IMAGES + form: b"damaged"})
    assert is_tiny(load(tiny(mirrors["whole"]), None))
    assert set(mirrors.asked) == {f"whole/{TRAIN_IMAGES}.gz", f"whole/{TEST_LABELS}.gz"}
    assert is_tiny(load(tiny(), None))


def test_damaged_cache_file_offline_is_named(cache: Path, mirrors: Mirrors) -> None:
    write(cache, {**ARCHIVES, f"{TRAIN_IMAGES}.gz": b"damaged"})
    text = error_of(tiny(mirrors["missing"]), None)
    assert f"{cache / TRAIN_IMAGES}.gz is damaged" in text
    assert "404" in text


def test_half_a_download_leaves_nothing_behind(cache: Path, mirrors: Mirrors) -> None:
    write(cache, {f"{TRAIN_IMAGES}.gz.part": b"of a process that was killed"})
    error_of(tiny(mirrors["half"]), None)
    assert set(snapshot(cache)) == {".lock"}


def test_offline_message_says_all_ways(tmp_path: Path, cache: Path, mirrors: Mirrors) -> None:
    text = error_of(tiny(mirrors["forbidden"], "http://127.0.0.1:9/"), None)
    assert "Tiny is not on this machine and could not be downloaded" in text
    assert mirrors["forbidden"] in text
    assert "http://127.0.0.1:9/" in text
    assert "go online once" in text
    assert "GENBENCH_DATA or data.root" in text
    assert f"copy the four files into {cache}" in text
    assert "data=optdigits needs no download" in text
    assert "Debian" not in text
    text = error_of(tiny(mirrors["forbidden"], debian=tmp_path / "debian"), None)
    assert "install the Debian package dataset-fashion-mnist" in text


def test_cache_that_cannot_be_written_matters_only_for_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrors: Mirrors
) -> None:
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    text = error_of(tiny(mirrors["whole"]), None)
    assert f"the cache {tmp_path / 'file' / 'genbench'}" in text
    assert "set XDG_CACHE_HOME" in text
    assert is_tiny(load(tiny(debian=write(tmp_path / "debian", ARCHIVES)), None))


def test_no_home_matters_only_for_a_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mirrors: Mirrors) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "expanduser", homeless)
    text = error_of(tiny(mirrors["whole"]), None)
    assert "there is no home folder" in text
    assert "set XDG_CACHE_HOME" in text
    assert is_tiny(load(tiny(debian=write(tmp_path / "debian", ARCHIVES)), None))


PREPARE = """
import json, sys
from genbench.config.data import DataConfig
from genbench.data import idx
from genbench.data.sources import assembled
given = json.loads(sys.stdin.readline())
downloads = idx.Downloads(tuple(given["mirrors"]), given["archives"])
about = idx.IdxDataSet("tiny", "Tiny", ("a", "b", "c"), given["md5"], 0.5, lambda: downloads)
print("ready", flush=True)
config = DataConfig(load="genbench.data.tiny.load", root=None, batch_size=64)
print(int(assembled(idx.load(about, config), config).train.images.long().sum()))
"""


@pytest.mark.slow
def test_two_processes_that_prepare_at_once_download_once(cache: Path, mirrors: Mirrors) -> None:
    about = tiny(mirrors["forbidden"], mirrors["whole"])
    both_ready = threading.Event()

    def hold(_: str) -> tuple[int, bytes]:
        # The one that came first stays amid its download until the other one wants the files too.
        both_ready.wait(120)
        return 403, b""

    mirrors.answers["forbidden"] = hold
    downloads = about.downloads()
    given = json.dumps({"mirrors": downloads.mirrors, "archives": downloads.md5, "md5": about.md5}) + "\n"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PREPARE],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for process in processes:
        assert process.stdin is not None
        process.stdin.write(given)
        process.stdin.flush()
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    both_ready.set()
    results = [process.communicate(timeout=120) for process in processes]
    expected = load(replace(about, downloads=lambda: Downloads((), {})), None).train.images.long().sum()
    for process, (out, err) in zip(processes, results, strict=True):
        assert process.returncode == 0, err
        assert out == f"{int(expected)}\n"
    assert {path: data for path, data in snapshot(cache).items() if path != ".lock"} == ARCHIVES
    # One process asks the bad mirror once for each file; a second download would ask it again.
    assert [mirrors.asked[f"forbidden/{name}"] for name in ARCHIVES] == [1] * 4
