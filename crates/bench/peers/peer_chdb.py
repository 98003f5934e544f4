"""chDB, which is ClickHouse within Python: a MergeTree, sorted by actor and time, of one part.

Of the ways to store the events and to write each question the fastest was taken, on ten million events of a million
actors. Sorted by event first, the funnel takes a third longer. Distinct actors of periods are bitmaps, twice as fast as
uniqExact; retention is a mask for each actor with a bit for each day, faster than bitmaps of days. Times are whole
seconds here, so they are DateTime, which windowFunnel knows. Columns are LowCardinality below 10,000 words, as
ClickHouse's documentation advises.
"""

import json
from pathlib import Path

import chdb
from chdb import session

WORDS_MAX = 10_000


class Peer:
    def __init__(self, scratch: Path, threads: int):
        self.session = session.Session(str(scratch / "chdb"))
        self.session.query(f"SET max_threads = {threads}")
        self.version = f"{chdb.__version__} (ClickHouse {self.rows('SELECT version()')[0][0]})"

    def load(self, parquet: str) -> int:
        """How many events there are."""
        source = f"file('{parquet}', Parquet)"
        nobody, last_actor, fractions = self.rows(
            f"""SELECT countIf(isNull(actor)), max(actor),
                       countIf(toUnixTimestamp64Milli(assumeNotNull(time)) % 1000 > 0)
                FROM {source}"""
        )[0]
        if nobody or last_actor >= 1 << 32 or fractions:
            raise SystemExit("the table is made for actors below 2^32, never absent, and times of whole seconds")
        columns = self.columns(source)
        self.session.query(
            f"""CREATE TABLE events ({", ".join(f"`{name}` {kind}" for name, kind in columns)})
                ENGINE = MergeTree ORDER BY (actor, time)"""
        )
        names = ", ".join(f"`{name}`" for name, _ in columns)
        self.session.query(f"INSERT INTO events ({names}) SELECT {names} FROM {source}")
        self.session.query("OPTIMIZE TABLE events FINAL")
        return self.rows("SELECT count() FROM events")[0][0]

    def columns(self, source: str) -> list[tuple[str, str]]:
        """Names and types of the columns: nullable only where something is absent."""
        found = [(row[0], row[1].removeprefix("Nullable(").split(")")[0]) for row in self.rows(f"DESCRIBE {source}")]
        found = [(name, kind) for name, kind in found if name not in ("time", "actor", "date")]
        counted = ", ".join(f"countIf(isNull(`{name}`)), uniq(`{name}`)" for name, _ in found)
        counts = self.rows(f"SELECT {counted} FROM {source}")[0]
        columns = [("time", "DateTime('UTC')"), ("actor", "UInt32")]
        for (name, kind), absent, words in zip(found, counts[::2], counts[1::2]):
            kind = f"Nullable({kind})" if absent else kind
            columns.append((name, f"LowCardinality({kind})" if "String" in kind and words < WORDS_MAX else kind))
        return columns

    def bytes(self) -> int:
        return self.rows("SELECT sum(bytes_on_disk) FROM system.parts WHERE active AND table = 'events'")[0][0]

    def usage(self, asked) -> list[list[int]]:
        answer = self.rows(
            f"""SELECT toRelativeDayNum(time) AS day, count(), groupBitmap(actor) FROM events
                WHERE event = '{asked.steps[0]}' AND {self.within(asked)}
                GROUP BY day WITH ROLLUP ORDER BY day"""
        )
        # The row of all days has the number 0, so it came first.
        return answer[1:] + answer[:1]

    def weeks(self, asked) -> list[list[int]]:
        return self.rows(
            f"""SELECT toRelativeDayNum(toMonday(time)) AS monday, groupBitmap(actor)
                FROM events WHERE {self.within(asked)} GROUP BY monday ORDER BY monday"""
        )

    def retention(self, asked) -> list[list[int]]:
        day = f"toRelativeDayNum(time) - {asked.first_day}"
        return self.rows(
            f"""WITH actors AS (SELECT groupBitOr(bitShiftLeft(toUInt64(1), {day})) AS active
                                FROM events WHERE {self.within(asked)} GROUP BY actor),
                     masks AS (SELECT active, count() AS actors, bitPositionsToArray(active) AS days
                               FROM actors GROUP BY active)
                SELECT {asked.first_day} + day, later - day AS n, sum(actors)
                FROM masks ARRAY JOIN days AS day ARRAY JOIN days AS later
                WHERE later >= day GROUP BY day, n ORDER BY day, n"""
        )

    def funnel(self, asked) -> list[list[int]]:
        steps = ", ".join(f"event = '{name}'" for name in asked.steps)
        names = ", ".join(f"'{name}'" for name in asked.steps)
        levels = self.rows(
            f"""SELECT level, count() FROM (
                    SELECT windowFunnel({asked.window_days * 86_400})(time, {steps}) AS level FROM events
                    WHERE event IN ({names}) AND {self.within(asked)} GROUP BY actor)
                GROUP BY level ORDER BY level"""
        )
        return [[step, sum(actors for level, actors in levels if level >= step)]
                for step in range(1, len(asked.steps) + 1)]

    def rows(self, sql: str) -> list[list]:
        text = str(self.session.query(sql, "JSONCompactEachRowWithNames"))
        # The first line holds the names of the columns.
        return [[number(cell) for cell in json.loads(line)] for line in text.splitlines()[1:]]

    @staticmethod
    def within(asked) -> str:
        return f"time >= toDateTime({asked.first_day * 86_400}) AND time < toDateTime({asked.end_day * 86_400})"


def number(cell):
    """64-bit numbers come as text."""
    return int(cell) if isinstance(cell, str) and cell.lstrip("-").isdigit() else cell
