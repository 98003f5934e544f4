"""Holds what DuckDB counts in an export against what Daybook has answered.

    daybook --json demo analytics > summary.json
    python compare.py summary.json        (needs the package duckdb; tests/setup/duckdb.sh prints a Python that has it)

Prints both numbers of everything that is compared, and ends with 1 if any of them differ.
"""

import json
import sys

import duckdb

summary = json.load(open(sys.argv[1]))
export = summary["export"]["files"]["url"].removeprefix("file://")
database = duckdb.connect()
database.execute(f"""
    create view events as select * from read_parquet('{export}/events/*/*.parquet', hive_partitioning = true);
    create view schemas as select * from read_parquet('{export}/schemas/*.parquet');
    set timezone = 'UTC';
""")


def answer(name):
    """The rows of an answer, as dictionaries."""
    table = summary["answers"][name]
    columns = [column["name"] for column in table["columns"]]
    cells = [[next(iter(cell.values()), None) for cell in row["cells"]] for row in table["rows"]]
    return [dict(zip(columns, row)) for row in cells]


def count(sql):
    """Events and actors by whatever the first column says."""
    return {str(row[0]): (row[1], row[2]) for row in database.execute(sql).fetchall()}


def answered(name, by):
    return {str(row[by])[:10] if by == "period_start" else row[by]: (int(row["events"]), int(row["actors"]))
            for row in answer(name) if row[by] is not None}


aggregates = "count(*), count(distinct actor)"
compared = {
    "event": (
        answered("events", "breakdown"),
        count(f"select event, {aggregates} from events group by event"),
    ),
    "feature": (
        answered("adoption", "breakdown"),
        count(f"select feature, {aggregates} from events join schemas using (event) group by feature"),
    ),
    # A week that the month cuts off begins with the month.
    "week": (
        answered("weeks", "period_start"),
        count(f"""select greatest(date_trunc('week', time), to_timestamp({summary['start']}))::date, {aggregates}
                  from events group by 1"""),
    ),
}
funnel = [int(row["actors"]) for row in answer("funnel")]
entered = database.execute("select count(distinct actor) from events where event = 'page.viewed'").fetchone()[0]
compared["funnel"] = ({"entry": (0, funnel[0])}, {"entry": (0, entered)})

# What became of an answer has the model of the answer that it names. In the demo every answer has an id of its own.
became = {"shown": "copilot.answer_shown", "used": "copilot.answer_used", "edited": "copilot.answer_edited",
          "ignored": "copilot.answer_ignored"}
found = database.execute("""
    with answers as (select actor, answer_id, model from events where event = 'copilot.answer_shown')
    select event, coalesce(answers.model, '(none)'), count(*)
    from events left join answers using (actor, answer_id) where event like 'copilot.answer_%' group by all""").fetchall()
compared["copilot"] = (
    {f"{what}, {row['breakdown']}": (int(row[what]), 0) for row in answer("copilot") for what in became if int(row[what])},
    {f"{what}, {model}": (count, 0) for what, event in became.items() for name, model, count in found if name == event},
)

differ = 0
print(f"{'':10} {'':28} {'Daybook':>10} {'DuckDB':>10}   {'Daybook':>10} {'DuckDB':>10}")
print(f"{'':10} {'':28} {'events':>10} {'events':>10}   {'actors':>10} {'actors':>10}")
for what, (ours, theirs) in compared.items():
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name, (None, None)), theirs.get(name, (None, None))
        mark = "" if a == b else "   DIFFERENT"
        differ += a != b
        print(f"{what:10} {name:28} {a[0]!s:>10} {b[0]!s:>10}   {a[1]!s:>10} {b[1]!s:>10}{mark}")
print(f"{differ} differ" if differ else "the same numbers")
sys.exit(1 if differ else 0)
