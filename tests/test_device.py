"""In which precision a processor computes."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from genbench import device
from genbench.cli import compose
from genbench.config.train import TrainerConfig
from genbench.device import bfloat16_speed, choose_device, fast_bfloat16, processor_name
from genbench.errors import UserError

CPU = torch.device("cpu")


def told(precision: str = "auto") -> TrainerConfig:
    """To train on a CPU."""
    (config,) = compose("train", ["trainer=cpu", f"trainer.precision={precision}"]).configs
    trainer: TrainerConfig = config.trainer
    return trainer


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test has a processor of its own."""
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    monkeypatch.delenv("DNNL_MAX_CPU_ISA", raising=False)
    device._cpu_bfloat16.cache_clear()
    yield
    device._cpu_bfloat16.cache_clear()


def processor(patch: pytest.MonkeyPatch, *has: str, onednn: bool = True, machine: str = "x86_64") -> list[float]:
    """Of what PyTorch and oneDNN report; returns the seconds of each measurement that is made."""
    measured: list[float] = []

    def speed(seconds: float) -> float:
        measured.append(seconds)
        return 1.5 if "fast" in has else 0.7

    patch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: onednn, raising=False)
    patch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: "amx" in has)
    patch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: "avx512_bf16" in has)
    patch.setattr(device, "platform", SimpleNamespace(machine=lambda: machine, processor=lambda: "An abacus"))
    patch.setattr(device, "_cpuinfo", lambda: "")
    patch.setattr(device, "bfloat16_speed", speed)
    return measured


@pytest.mark.parametrize(
    ("has", "onednn", "machine", "native"),
    [
        (["amx", "avx512_bf16"], True, "x86_64", True),
        ([], True, "aarch64", True),
        ([], False, "aarch64", False),
        (["avx512_bf16"], False, "x86_64", False),  # a PyTorch that was built without
        ([], False, "x86_64", False),
    ],
)
def test_bfloat16_is_for_processors_that_multiply_it(
    has: list[str], onednn: bool, machine: str, native: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = processor(monkeypatch, *has, onednn=onednn, machine=machine)
    assert fast_bfloat16(CPU) is native
    assert not fast_bfloat16(torch.device("mps"))
    assert measured == []
    assert choose_device(told()).measured == ""


@pytest.mark.parametrize(
    ("has", "native"),
    [
        (["fast"], True),
        (["nothing"], False),
        (["avx512_bf16", "fast"], True),  # AMD, from Zen 4 on
        (["avx512_bf16"], False),  # Intel's server cores where a hypervisor hides AMX: 1.5 times as slow as float32
    ],
)
def test_where_the_instructions_do_not_tell_a_measurement_does_once(
    has: list[str], native: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = processor(monkeypatch, *has)
    for _ in range(2):
        device._cpu_bfloat16.cache_clear()  # as in another process
        chosen = choose_device(told())
        assert chosen.precision == ("bfloat16" if native else "float32")
        assert f"bfloat16 is {1.5 if native else 0.7:.2f} times as fast as float32" in chosen.measured
    assert measured == [0.5]
    given = choose_device(told("float32"))
    assert (given.precision, given.measured) == ("float32", "")


def test_a_onednn_that_is_held_back_is_measured_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = processor(monkeypatch, "amx")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE")
    assert not fast_bfloat16(CPU)
    device._cpu_bfloat16.cache_clear()
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "AVX512_CORE_VNNI")
    assert not fast_bfloat16(CPU)
    assert len(measured) == 2


@pytest.mark.parametrize(
    ("has", "machine", "said"),
    [
        (["amx", "avx512_bf16"], "x86_64", "An abacus with AMX"),
        (["avx512_bf16"], "x86_64", "An abacus with AVX512_BF16"),
        ([], "x86_64", "An abacus with AVX2"),
        ([], "arm64", "An abacus"),
    ],
)
def test_processors_of_one_name_that_differ_in_speed_are_told_apart(
    has: list[str], machine: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    processor(monkeypatch, *has, machine=machine)
    capability = "AVX2" if machine == "x86_64" else "DEFAULT"
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert processor_name() == said


def test_a_measurement_is_not_taken_for_that_of_a_machine_with_other_instructions(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A home that two machines share, or a virtual machine that was moved."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = processor(monkeypatch, "fast", "avx512_bf16")
    assert fast_bfloat16(CPU)
    device._cpu_bfloat16.cache_clear()
    processor(monkeypatch)
    assert not fast_bfloat16(CPU)
    assert len(measured) == 1


def test_without_a_cache_that_can_be_written_it_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "genbench").write_text("in the way")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = processor(monkeypatch)
    for _ in range(2):
        device._cpu_bfloat16.cache_clear()
        assert not fast_bfloat16(CPU)
    assert len(measured) == 2


def test_the_measurement_is_a_ratio_of_two_speeds_and_leaves_no_trace() -> None:
    before = torch.get_rng_state()
    with torch.no_grad():
        assert 0.01 < bfloat16_speed(0.0) < 100
    assert torch.get_rng_state().equal(before)


@pytest.mark.parametrize("kept", ["[1]", "{", "null", ""])
def test_what_was_kept_and_is_no_number_is_measured_again(
    kept: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    measured = processor(monkeypatch)
    fast_bfloat16(CPU)
    (file,) = (tmp_path / "genbench" / "bfloat16").iterdir()
    file.write_text(kept, encoding="utf-8")
    device._cpu_bfloat16.cache_clear()
    assert not fast_bfloat16(CPU)
    assert len(measured) == 2


def test_more_devices_than_there_are_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning's exception came when there was a directory already."""
    (config,) = compose("train", ["trainer=ddp", "trainer.accelerator=gpu"]).configs
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"devices=2: this machine has 1 gpu"):
        choose_device(config.trainer)
