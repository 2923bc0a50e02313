"""Runs a file that nothing vouches for in a process of its own first.

LiteRT is native code: a file that is well formed but absurd can crash it or keep it busy for ever. A hash in a card
says that a file is as it was exported; a file without one is opened and all its functions are run once in a child
process, with a limit on time and memory, so that a crash there becomes a sentence here.
"""

import subprocess
import sys
from pathlib import Path

SECONDS = 60
MEMORY = 4 * 2**30  # bytes of addresses


def check(path):
    """Refuses a file that a child process could not open and run.

    Raises:
        ValueError: With LiteRT's reason, or that it crashed or did not end.
    """
    path = Path(path).resolve()
    try:
        child = subprocess.run(
            [sys.executable, "-m", "edge.probe", str(path)],
            cwd=Path(__file__).resolve().parent.parent,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ValueError(f"{path} is refused: its functions did not end within {SECONDS} s") from None
    if child.returncode == 0:
        return
    sentences = [line.removeprefix("error: ") for line in child.stderr.splitlines() if line.startswith("error: ")]
    if child.returncode == 2 and sentences:
        raise ValueError(sentences[-1])
    raise ValueError(f"LiteRT crashes on {path} (exit code {child.returncode}), so it is damaged")


def run_all(path):
    """Opens a file and runs each of its functions once, on zeros."""
    from edge import runtime

    model = runtime.Model(path, {"name": path.name}, "unknown", runtime.open_interpreter(path, threads=1))
    for name, signature in model.signatures.items():
        model.run(name, **runtime.zeros(signature))


def limit_this_process():
    """Bounds memory and processor time where the system can."""
    if sys.platform.startswith("linux"):
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(words):
    """In the child process: exit code 0 when all is well, 2 and a sentence when LiteRT says what is wrong."""
    limit_this_process()
    try:
        run_all(Path(words[0]))
    except (ValueError, OSError, RuntimeError, MemoryError) as error:
        reason = (str(error).splitlines() or ["there is not enough memory"])[0]
        print(f"error: {reason}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
