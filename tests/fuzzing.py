"""Damaged files for the tests of `edge/`: what truncation, flipped bits and malice make of whole ones."""

import copy
import json
import signal

import numpy as np

from edge import graph, probe

# What somebody might put in the place of any value of a card.
ABSURD = [
    None,
    True,
    -1,
    0,
    2**40,
    10**400,
    1e308,
    float("nan"),
    float("inf"),
    "",
    "x" * 100_000,
    "../../etc/passwd",
    "/etc/passwd",
    "\x1b[31mred",
    "two\nlines",
    [],
    {},
    [[]],
    ["a", 1, None],
    {"name": "x"},
    [1e9] * 9,
]


def damaged(data, random):
    """One of eight kinds of damage to bytes."""
    data = bytearray(data)
    start, end = sorted(random.integers(0, len(data), 2).tolist())
    kind = random.integers(8)
    if kind == 0:
        return bytes(data[:start])
    if kind <= 3:  # up to thirty bits, some of them close together
        near = random.integers(0, len(data), 1 if kind == 1 else 30) if kind < 3 else start + np.arange(20)
        for place in near.tolist():
            data[place % len(data)] ^= 1 << int(random.integers(8))
        return bytes(data)
    if kind == 4:
        end = min(end, start + 64)
        data[start:end] = random.bytes(end - start)
        return bytes(data)
    if kind == 5:  # numbers that mean much: lengths, offsets, counts
        for place in random.integers(0, max(1, len(data) // 4), 4).tolist():
            data[4 * place : 4 * place + 4] = random.choice([0, 1, 255, 2**16, 2**31 - 1, 2**32 - 1]).tobytes()[:4]
        return bytes(data)
    if kind == 6:
        return bytes(data[:start] + data[end:])
    return data[:8].ljust(8, b" ") + random.bytes(int(random.integers(1, 5000)))


def absurd(card, random):
    """A card with one to three values replaced, removed or misplaced, as bytes of JSON."""
    card = copy.deepcopy(card)
    for _ in range(random.integers(1, 4)):
        holder = card
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            if not keys:
                break
            key = keys[random.integers(len(keys))]
            if isinstance(holder[key], dict | list) and random.random() < 0.8:
                holder = holder[key]
                continue
            if random.random() < 0.2:
                del holder[key]
            else:
                holder[key] = copy.deepcopy(ABSURD[random.integers(len(ABSURD))])
            break
    return json.dumps(card).encode()


def open_many(paths, log):
    """In a child process: opens and runs files one after the other, and notes in `log` what became of each.

    A crash ends the process, and so does a file that takes ten seconds of processor time.
    """
    probe.limit_this_process()
    with open(log, "a") as file:
        for path in paths:
            file.write(f"{path.name} ")
            file.flush()
            signal.setitimer(signal.ITIMER_PROF, 10)
            try:
                graph.check(path)
                probe.run_all(path)
                file.write("runs\n")
            except (ValueError, OSError, RuntimeError, MemoryError):
                file.write("refused\n")
            file.flush()
