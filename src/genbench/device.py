"""Which processor computes, and in which precision."""

import platform
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from genbench.config.train import TrainerConfig
from genbench.errors import UserError

# Instructions that multiply bfloat16: Intel's matrix units, those of Intel and AMD on vectors, Arm's.
_BFLOAT16 = {"amx_bf16", "avx512_bf16", "bf16"}


@dataclass(frozen=True)
class Device:
    """Where a training runs."""

    accelerator: Literal["cpu", "cuda", "mps"]
    precision: Literal["float32", "bfloat16"]
    name: str  # the processor's own

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
    """CUDA where present, else MPS, else the CPU; bfloat16 where the processor computes it natively, else float32.

    Raises:
        UserError: the accelerator that the config names is not on this machine.
    """
    present = {"gpu": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    wanted = next(name for name in present if present[name]) if config.accelerator == "auto" else config.accelerator
    if not present[wanted]:
        there = ", ".join(name for name in present if present[name])
        raise UserError(f"trainer={wanted}: this machine has no {wanted} that PyTorch can use; here there is {there}")
    if wanted == "gpu":
        accelerator: Literal["cpu", "cuda", "mps"] = "cuda"
        name = torch.cuda.get_device_name()
    elif wanted == "mps":
        accelerator, name = "mps", platform.processor()
    else:
        accelerator, name = "cpu", f"{processor_name()}, {torch.get_num_threads()} threads"
    native = "bfloat16" if native_bfloat16(torch.device(accelerator)) else "float32"
    return Device(accelerator, native if config.precision == "auto" else config.precision, name)  # type: ignore[arg-type]


def best_device() -> torch.device:
    """CUDA where present, else the CPU. (MPS has no float64, which the scores need.)"""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def native_bfloat16(device: torch.device) -> bool:
    """True if a device multiplies bfloat16 matrices natively; elsewhere they are slower than float32."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and not _BFLOAT16.isdisjoint(_cpuinfo().split())


def processor_name() -> str:
    """The CPU's marketing name, as far as the system tells."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _cpuinfo() -> str:
    path = Path("/proc/cpuinfo")  # Linux; elsewhere there is neither AMX nor another way without a dependency
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
