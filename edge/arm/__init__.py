"""Proof that an ARM64 processor makes the same pictures: files are run here and by an emulated one, and compared."""
