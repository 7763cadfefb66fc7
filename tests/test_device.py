"""In which precision a processor computes."""

import pytest
import torch

from genbench.device import native_bfloat16


@pytest.mark.parametrize(
    ("flags", "native"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 clzero", True),  # of AMD, from Zen 4 on
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", True),
        ("Features\t: fp asimd svei8mm bf16 dgh", True),  # Arm
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
        ("flags\t\t: not_amx_bf16", False),
        ("", False),  # not Linux
    ],
)
def test_bfloat16_is_for_processors_that_multiply_it(flags: str, native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"processor\t: 0\nmodel name\t: An abacus\n{flags}\n" if flags else ""
    monkeypatch.setattr("genbench.device._cpuinfo", lambda: text)
    assert native_bfloat16(torch.device("cpu")) is native
    assert not native_bfloat16(torch.device("mps"))
