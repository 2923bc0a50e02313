"""What is read of the machine."""

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
