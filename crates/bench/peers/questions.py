"""Asks a peer the questions of the benchmark, over events that Daybook has exported.

    questions.py EXPORT --peer duckdb|chdb --scratch FOLDER --start 2026-10-01 --days 30 \
        --steps page.viewed,filters.applied --window-days 7 [--times 10]

EXPORT holds events/date=YYYY-MM-DD/part-NNNNN.parquet: `time` (UTC), `event`, `actor` (a number; never absent here) and
a column for each property. The peer loads it into files of its own first, in the form that suits it best; that is not
counted. Then it is asked each question once to warm up and --times times to measure, with two threads. Peers keep no
rollups: they count events each time.

Prints a JSON object a line: peer, version, question, times, p50_ms, p99_ms, bytes_per_event, answer. Answers are rows
of whole numbers, the same for whoever is asked; days are numbered from 1970:

    usage       day, events, distinct actors of the event --steps begins with; a last row of all days, its day 0
    weeks       Monday of the week, distinct actors of all events
    retention   day, n, how many of the actors of this day are active n days later; without rows of nobody
    funnel      step from 1, how many actors have reached it
"""

import argparse
import importlib
import json
import math
import time
from datetime import date
from pathlib import Path

QUESTIONS = ("usage", "weeks", "retention", "funnel")
THREADS = 2


class Asked:
    """What the questions are about: a range of days, an event, steps and a window."""

    def __init__(self, start: date, days: int, steps: list[str], window_days: int):
        self.first_day = (start - date(1970, 1, 1)).days
        self.days = days
        self.steps = steps
        self.window_days = window_days

    @property
    def end_day(self) -> int:
        return self.first_day + self.days

    @property
    def first_monday(self) -> int:
        # 1970 began on a Thursday.
        return self.first_day - (self.first_day + 3) % 7


def quantile(sorted_values: list[float], share: float) -> float:
    """The nearest rank."""
    return sorted_values[max(0, math.ceil(share * len(sorted_values)) - 1)]


def measure(ask, times: int) -> tuple[list[list[int]], float, float]:
    answer = ask()
    waits_ms = []
    for _ in range(times):
        started = time.perf_counter()
        if ask() != answer:
            raise SystemExit("a question was answered in two ways; the figures would mean nothing")
        waits_ms.append((time.perf_counter() - started) * 1e3)
    waits_ms.sort()
    return answer, quantile(waits_ms, 0.5), quantile(waits_ms, 0.99)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("export", type=Path)
    arguments.add_argument("--peer", choices=("duckdb", "chdb"), required=True)
    arguments.add_argument("--scratch", type=Path, required=True)
    arguments.add_argument("--start", type=date.fromisoformat, required=True)
    arguments.add_argument("--days", type=int, required=True)
    arguments.add_argument("--steps", required=True)
    arguments.add_argument("--window-days", type=int, required=True)
    arguments.add_argument("--times", type=int, default=10)
    given = arguments.parse_args()

    asked = Asked(given.start, given.days, given.steps.split(","), given.window_days)
    given.scratch.mkdir(parents=True, exist_ok=True)
    peer = importlib.import_module(f"peer_{given.peer}").Peer(given.scratch, THREADS)
    events = peer.load(str(given.export / "events" / "*" / "*.parquet"))
    bytes_per_event = peer.bytes() / events
    for question in QUESTIONS:
        ask = getattr(peer, question)
        answer, p50_ms, p99_ms = measure(lambda: ask(asked), given.times)
        line = {
            "peer": given.peer,
            "version": peer.version,
            "question": question,
            "times": given.times,
            "p50_ms": p50_ms,
            "p99_ms": p99_ms,
            "bytes_per_event": bytes_per_event,
            "answer": answer,
        }
        print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
