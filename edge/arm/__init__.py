"""Proof that an ARM64 processor makes the same pictures: every file is run here and by an emulated one, and compared."""
