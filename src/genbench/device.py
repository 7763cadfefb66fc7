"""Which processor computes, and in which precision."""

import contextlib
import functools
import hashlib
import json
import os
import platform
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch

from genbench.cache import cache_folder, whole_file
from genbench.config.train import TrainerConfig
from genbench.errors import UserError

_HELD_BACK = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")  # by these oneDNN leaves out what the processor has
_SECONDS = 0.5  # of measuring
_WORTH = 1.1  # times as fast as float32, which is exacter


@dataclass(frozen=True)
class Device:
    """Where a training runs."""

    accelerator: Literal["cpu", "cuda", "mps"]
    precision: Literal["float32", "bfloat16"]
    name: str  # the processor's own
    measured: str = field(default="", compare=False)  # what the choice of the precision was made by, where it was

    @property
    def dtype(self) -> torch.dtype:
        """The precision, as PyTorch names it."""
        return torch.bfloat16 if self.precision == "bfloat16" else torch.float32

    @property
    def lightning_precision(self) -> Literal["32-true", "bf16-mixed"]:
        """Lightning's word for the precision; bfloat16 is autocast, with float32 weights."""
        return "bf16-mixed" if self.precision == "bfloat16" else "32-true"

    def __str__(self) -> str:
        return f"{self.accelerator} ({self.name}), {self.precision}"


def choose_device(config: TrainerConfig) -> Device:
    """CUDA where present, else MPS, else the CPU; bfloat16 where the processor is faster by it, else float32.

    Raises:
        UserError: the accelerator that the config names is not on this machine, or not so many of it.
    """
    present = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = next(name for name in present if present[name]) if config.accelerator == "auto" else config.accelerator
    if not present[wanted]:
        there = ", ".join(name for name in present if present[name])
        raise UserError(f"trainer={wanted}: this machine has no {wanted} that PyTorch can use; here there is {there}")
    most = {"gpu": torch.cuda.device_count(), "mps": 1}.get(wanted)
    if most is not None and config.devices > most:
        raise UserError(f"trainer.devices={config.devices}: this machine has {most} {wanted}; trainer.accelerator=cpu")
    if wanted == "gpu":
        accelerator: Literal["cpu", "cuda", "mps"] = "cuda"
    elif wanted == "mps":
        accelerator = "mps"
    else:
        accelerator = "cpu"
    name = device_name(torch.device(accelerator))
    if config.precision != "auto":
        return Device(accelerator, config.precision, name)
    fast = fast_bfloat16(torch.device(accelerator))
    measured = _cpu_bfloat16()[1] if accelerator == "cpu" else ""
    return Device(accelerator, "bfloat16" if fast else "float32", name, measured)


def device_name(device: torch.device) -> str:
    """The processor's own name; of the CPU with as many threads as PyTorch takes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"{processor_name()}, {torch.get_num_threads()} threads" if device.type == "cpu" else platform.processor()


def best_device() -> torch.device:
    """CUDA where present, else the CPU. (MPS has no float64, which the scores need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def fast_bfloat16(device: torch.device) -> bool:
    """True if a device computes faster in bfloat16 than in float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and _cpu_bfloat16()[0]


@functools.cache
def _cpu_bfloat16() -> tuple[bool, str]:
    """Whether the CPU is faster in bfloat16, and by which measurement, where only one can tell."""
    if not torch.backends.mkldnn.is_available() or not torch.ops.mkldnn._is_mkldnn_bf16_supported():  # type: ignore[no-untyped-call]
        return False, ""  # oneDNN has no such products for this processor, nor has PyTorch without oneDNN
    sure = torch.cpu._is_amx_tile_supported() or platform.machine() in ("aarch64", "arm64")
    if sure and not any(os.environ.get(name) for name in _HELD_BACK):
        return True, ""  # on Arm, oneDNN's answer is that of the processor
    # AVX512_BF16 alone does not tell: faster than float32 on AMD, but slower on an Intel whose AMX a hypervisor hides.
    # Nor does its absence, for oneDNN also computes in bfloat16 by the instructions of float32.
    faster = _kept_speed()
    return faster > _WORTH, f"bfloat16 is {faster:.2f} times as fast as float32 here, by a measurement"


def _kept_speed() -> float:
    """`bfloat16_speed`, measured once on this machine."""
    told = [os.environ.get(name, "") for name in _HELD_BACK]
    known = [processor_name(), torch.backends.cpu.get_cpu_capability(), torch.__version__, *told]
    folder = cache_folder()
    path = None if folder is None else folder / "bfloat16" / hashlib.sha256(repr(known).encode()).hexdigest()[:16]
    if path is not None:
        with contextlib.suppress(OSError, ValueError, TypeError):
            return float(json.loads(path.read_text(encoding="utf-8")))
    speed = bfloat16_speed(_SECONDS)
    if path is not None:
        with contextlib.suppress(OSError):  # then it is measured again
            path.parent.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as temporary:
                temporary.write_text(json.dumps(speed), encoding="utf-8")
    return speed


@torch.enable_grad()
@torch.random.fork_rng(devices=[])  # whoever asks first, and so measures, draws the same numbers as those after
def bfloat16_speed(seconds: float) -> float:
    """How much faster the CPU computes in bfloat16 than in float32: a convolution of the DCGAN, forth and back."""
    layer = torch.nn.Conv2d(64, 128, 5, stride=2, padding=2).to(memory_format=torch.channels_last)
    images = torch.ones(64, 64, 14, 14, requires_grad=True).contiguous(memory_format=torch.channels_last)
    taken: dict[bool, list[float]] = {False: [], True: []}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(taken[True]) < 3:  # in turns: whatever else runs here hits both alike
        for low, of in taken.items():
            began = time.perf_counter()
            with torch.autocast("cpu", torch.bfloat16, enabled=low):
                layer(images).float().sum().backward()
            of.append(time.perf_counter() - began)
    return statistics.median(taken[False][1:]) / statistics.median(taken[True][1:])


def processor_name() -> str:
    """The CPU's marketing name, as far as the system tells, with the instructions that make it fast or slow here.

    A virtual machine may hide some: two of one name can differ by a factor of 2.5.
    """
    names = [line.partition(":")[2].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    name = names[0] if names else platform.processor() or platform.machine()
    if torch.cpu._is_amx_tile_supported():
        return f"{name} with AMX"
    if torch.cpu._is_avx512_bf16_supported():
        return f"{name} with AVX512_BF16"
    capability = torch.backends.cpu.get_cpu_capability()
    return name if capability == "DEFAULT" else f"{name} with {capability}"


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")  # Linux
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
