"""A simulated log of network flows: the traffic of an office, and nine kinds of attack in it.

A row is one flow: two machines have talked, and this is what a router notes down of it, with what the sender did in the
ten seconds before. Nothing here was recorded. Each habit of `NORMAL` and `ATTACKS` states medians and spreads that are
plausible, and rows are drawn from it:

    bytes and seconds are log-normal, and long flows move more bytes
    packets follow from the bytes, and the packets of one side from those of the other, which it acknowledges
    a flow without an answer has received nothing; one that was refused, an empty packet a try
    of the sender's other flows of the last ten seconds some went to other ports, and some failed

Five kinds are loud: scan, flood, brute_force, exfiltration, mining. Four are subtle: slow_scan and guessing are the
same attacks at the pace of a human, tunnel hides in name look-ups, and beacon is a small web request like thousands of
others, but at any hour. What is wrong is seldom one value and mostly a combination: the backup, too, sends as many
bytes at night, but not to the web.
"""

from typing import NamedTuple

import numpy as np

FLAGS = ("complete", "no_answer", "refused", "reset")
PROTOCOLS = ("tcp", "udp", "icmp")
SERVICES = ("web", "dns", "mail", "ssh", "file", "time", "ping", "other")
NUMBERS = (  # name, whether it is better seen on a logarithmic scale
    ("seconds", True),
    ("bytes_sent", True),
    ("bytes_received", True),
    ("packets_sent", True),
    ("packets_received", True),
    ("port", True),
    ("hour", False),
    ("recent_flows", True),
    ("recent_ports", True),
    ("recent_failures", False),
)
CATEGORIES = (("protocol", PROTOCOLS), ("service", SERVICES), ("flag", FLAGS))
ANY_PORT = range(1, 65536)
ANY_HOUR = None
OFFICE = (13.5, 3.0)  # mean and standard deviation, hours
NIGHT = (2.5, 1.2)
USUAL_FLAGS = (0.96, 0.015, 0.01, 0.015)
PACKET = 1400  # bytes that fit into one


class Habit(NamedTuple):
    """One way in which flows come about.

    Attributes:
        share: of the rows of its kind.
        protocol, service: of `PROTOCOLS` and `SERVICES`.
        ports: one of them is taken.
        sent, received: median bytes.
        spread: standard deviation of the logarithm of the bytes.
        seconds: median length of the flow.
        hours: mean and standard deviation of the hour of the day, or None for any.
        recent: mean count of the sender's other flows in the ten seconds before.
        other_ports: share of them that went to another port each.
        failing: share of them that failed.
        flags: probabilities of `FLAGS`.
    """

    share: float
    protocol: str
    service: str
    ports: object
    sent: float
    received: float
    spread: float
    seconds: float
    hours: object = OFFICE
    recent: float = 3.0
    other_ports: float = 0.3
    failing: float = 0.02
    flags: tuple = USUAL_FLAGS


NORMAL = (
    Habit(0.42, "tcp", "web", (443,), 1_800, 14_000, 1.1, 1.5),
    Habit(0.06, "tcp", "web", (80, 8080), 700, 6_000, 1.0, 0.4),
    Habit(0.24, "udp", "dns", (53,), 60, 150, 0.35, 0.03),
    Habit(0.08, "tcp", "mail", (993, 587), 3_500, 9_000, 1.3, 2.0),
    Habit(0.03, "tcp", "ssh", (22,), 12_000, 30_000, 0.9, 400.0, recent=0.5),
    Habit(0.01, "tcp", "ssh", (22,), 9e6, 60_000, 1.2, 20.0, recent=0.5),
    Habit(0.06, "tcp", "file", (445,), 40_000, 200_000, 1.6, 5.0),
    Habit(0.01, "tcp", "file", (445,), 6e7, 300_000, 0.8, 240.0, hours=NIGHT, recent=0.5),
    Habit(0.03, "udp", "time", (123,), 76, 76, 0.05, 0.02, hours=ANY_HOUR, recent=0.5),
    Habit(0.02, "icmp", "ping", (0,), 84, 84, 0.05, 0.02, hours=ANY_HOUR, recent=1.0),
    Habit(0.02, "tcp", "other", (5222, 8443), 6_000, 9_000, 0.8, 900.0, recent=1.0),
    Habit(0.02, "tcp", "other", (9100,), 400, 5_000, 0.2, 0.1, hours=ANY_HOUR, recent=6.0, other_ports=0.0),
)
ATTACKS = {
    "scan": Habit(
        1, "tcp", "other", ANY_PORT, 60, 40, 0.1, 0.02, ANY_HOUR, 80.0, 0.95, 0.9, flags=(0.04, 0.5, 0.45, 0.01)
    ),
    "slow_scan": Habit(
        1, "tcp", "other", ANY_PORT, 60, 40, 0.1, 0.02, OFFICE, 2.0, 0.5, 0.3, flags=(0.04, 0.5, 0.45, 0.01)
    ),
    "flood": Habit(
        1, "tcp", "web", (80, 443), 60, 40, 0.1, 0.1, ANY_HOUR, 400.0, 0.0, 0.9, flags=(0.05, 0.9, 0.0, 0.05)
    ),
    "brute_force": Habit(
        1, "tcp", "ssh", (22,), 2_300, 2_900, 0.1, 2.2, ANY_HOUR, 25.0, 0.0, 0.1, flags=(0.7, 0.0, 0.0, 0.3)
    ),
    "guessing": Habit(
        1, "tcp", "ssh", (22,), 2_300, 2_900, 0.1, 2.2, OFFICE, 1.0, 0.0, 0.05, flags=(0.9, 0.0, 0.0, 0.1)
    ),
    "exfiltration": Habit(1, "tcp", "web", (443,), 4e7, 200_000, 0.8, 200.0, hours=NIGHT, recent=0.5),
    "tunnel": Habit(1, "udp", "dns", (53,), 900, 1_500, 0.5, 1.0),
    "beacon": Habit(1, "tcp", "web", (443,), 650, 420, 0.1, 0.2, hours=ANY_HOUR, recent=0.5),
    "mining": Habit(1, "tcp", "other", (3333, 14444), 40_000, 160_000, 0.3, 7_000.0, hours=ANY_HOUR, recent=0.5),
}


def draw(habit, count, random):
    """Rows of one habit.

    Args:
        habit: `Habit`.
        count: of rows.
        random: `numpy.random.Generator`.

    Returns:
        float32 (count, 13): the columns of `NUMBERS`, then those of `CATEGORIES` as indices.
    """
    flag = random.choice(len(FLAGS), count, p=habit.flags)
    size = random.standard_normal(count)  # of the flow, in deviations: bytes of both sides and seconds go with it
    sent = np.rint(habit.sent * np.exp(habit.spread * (0.8 * size + 0.6 * random.standard_normal(count))))
    received = np.rint(habit.received * np.exp(habit.spread * (0.8 * size + 0.6 * random.standard_normal(count))))
    seconds = habit.seconds * np.exp(0.5 * habit.spread * size + 0.5 * random.standard_normal(count))

    unanswered = np.isin(flag, (FLAGS.index("no_answer"), FLAGS.index("refused")))
    tries = random.integers(1, 4, count)
    sent = np.where(unanswered, 60.0 * tries, sent)
    received = np.where(unanswered, np.where(flag == FLAGS.index("refused"), 40.0 * tries, 0.0), received)
    seconds = np.where(unanswered, (2.0**tries - 2.0) + 0.02 * random.exponential(size=count), seconds)

    handshake = 3 if habit.protocol == "tcp" else 0
    full_sent, full_received = np.ceil(sent / PACKET), np.ceil(received / PACKET)
    acknowledged = 0.5 if habit.protocol == "tcp" else 0.0
    packets_sent = np.where(unanswered, tries, handshake + full_sent + np.rint(acknowledged * full_received))
    packets_received = np.where(
        unanswered, received // 40, handshake + full_received + np.rint(acknowledged * full_sent)
    )

    hour = random.normal(*habit.hours, count) if habit.hours else random.uniform(0, 24, count)
    others = random.poisson(habit.recent * random.exponential(size=count))  # bursts
    different = random.binomial(others, habit.other_ports)
    failures = random.binomial(others, habit.failing) + unanswered

    numbers = {
        "seconds": np.round(seconds, 3),
        "bytes_sent": sent,
        "bytes_received": received,
        "packets_sent": packets_sent,
        "packets_received": packets_received,
        "port": random.choice(habit.ports, count),
        "hour": np.round(hour % 24, 2) % 24,
        "recent_flows": others + 1,
        "recent_ports": different + 1,
        "recent_failures": np.round(failures / (others + 1), 3),
    }
    categories = {
        "protocol": np.full(count, PROTOCOLS.index(habit.protocol)),
        "service": np.full(count, SERVICES.index(habit.service)),
        "flag": flag,
    }
    columns = [numbers[name] for name, _ in NUMBERS] + [categories[name] for name, _ in CATEGORIES]
    return np.stack(columns, axis=1).astype(np.float32)


def normal_rows(count, random):
    """Rows of ordinary traffic, float32 (count, 13), the habits by their shares and in random order."""
    chosen = random.choice(len(NORMAL), count, p=[habit.share for habit in NORMAL])
    rows = [draw(habit, np.sum(chosen == index), random) for index, habit in enumerate(NORMAL)]
    return random.permutation(np.concatenate(rows))
