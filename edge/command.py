"""What the command lines of `edge/` share: a mistake is one sentence and exit code 2, never a traceback."""

import argparse
import os
import sys


class Parser(argparse.ArgumentParser):
    """Reports a wrong command line like every other mistake of a user: one sentence, no usage."""

    def error(self, message):
        """Raises instead of leaving the program, so that `run` reports it."""
        raise ValueError(f"{message} (see --help)")


def stop_printing():
    """Lets a program end quietly whose output nobody takes: Python would try, and complain, once more at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def flush_or_stop():
    """Writes out what was printed; stops printing where it was stdout that could not be written."""
    try:
        sys.stdout.flush()
    except OSError:
        stop_printing()


def run(work, *arguments):
    """Does the work of a command line.

    Args:
        work: Function that returns an exit code, or None for 0.
        *arguments: Its own.

    Returns:
        The exit code: that of `work`, or 2 after one sentence on stderr about a mistake of the user, a full memory or
        disk, or Ctrl-C. A reader that has seen enough, as with `| head`, is no mistake.
    """
    try:
        try:
            return work(*arguments) or 0
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        stop_printing()
        return 0
    except KeyboardInterrupt:
        sentence = "stopped"
    except MemoryError as error:
        sentence = str(error) or "there is no memory left"
    except (ValueError, OSError, OverflowError) as error:
        sentence = str(error)
    print(f"error: {sentence}", file=sys.stderr)
    flush_or_stop()
    return 2
