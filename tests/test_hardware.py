"""What is read of the machine."""

import os

import pytest

from zoo import hardware


@pytest.mark.parametrize(
    ("line", "has"),
    [
        ("flags\t\t: fpu avx2 avx512f avx512_bf16 sha_ni", True),
        ("flags\t\t: fpu avx512f amx_bf16 amx_tile", True),
        ("Features\t: fp asimd sve bf16 i8mm", True),
        ("flags\t\t: fpu avx2 avx512f avx512_vnni", False),
    ],
)
def test_units_for_bfloat16_are_recognised(line, has):
    assert hardware.has_bfloat16(f"processor\t: 0\n{line}\nbogomips\t: 5000\n") == has


@pytest.mark.parametrize(("flags", "units"), [("avx2 avx512_bf16", " with bfloat16 units"), ("avx2 fma", "")])
def test_machines_that_compute_differently_have_different_names(tmp_path, monkeypatch, flags, units):
    cpu_info = tmp_path / "cpuinfo"
    cpu_info.write_text(f"processor\t: 0\nmodel name\t: Abacus 9\nflags\t\t: {flags}\n")
    monkeypatch.setattr(hardware, "CPU_INFO", cpu_info)
    assert hardware.machine() == f"Abacus 9, {os.cpu_count()} cores{units}, no GPU"
