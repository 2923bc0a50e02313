"""What the machine is that a model is trained on."""

import os
import pathlib

CPU_INFO = pathlib.Path("/proc/cpuinfo")  # Linux


def machine():
    """CPU, cores, whether they have units for bfloat16, and GPUs, in words."""
    import tensorflow as tf

    info = cpu_info()
    names = [line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")]
    units = " with bfloat16 units" if has_bfloat16(info) else ""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return (
        f"{names[0] if names else 'unknown CPU'}, {os.cpu_count()} cores{units}, {f'{gpus} GPUs' if gpus else 'no GPU'}"
    )


def cpu_info():
    """What Linux says of the CPU; empty elsewhere."""
    return CPU_INFO.read_text() if CPU_INFO.exists() else ""


def has_bfloat16(info):
    """Whether the text of Linux' /proc/cpuinfo names arithmetic units for bfloat16, of x86 or ARM."""
    return bool({"avx512_bf16", "amx_bf16", "bf16"} & set(info.split()))
