"""What ClickHouse's windowFunnel gives for every sequence of up to five events, in each of its modes.

    $(tests/setup/peers.sh) crates/bench/peers/window_funnel.py > projections/product_analytics/src/metrics/window_funnel.txt

The steps are a, b and c; x means none of them. Each event has an instant of its own, and the window holds them all. A
test of the funnels there says how Daybook's orders compare.
"""

import itertools
import json

import chdb

MODES = ["", "strict_order", "strict_order, allow_reentry", "strict_deduplication", "strict_increase"]

sequences = ["".join(events) for length in range(1, 6) for events in itertools.product("abcx", repeat=length)]
version = str(chdb.query("SELECT version()", "TabSeparated")).strip()
print(f"# chDB {chdb.__version__} (ClickHouse {version}), by crates/bench/peers/window_funnel.py: the levels of all")
print("# sequences of up to five events of a, b, c and x, by length and then by letter, in each mode")
for mode in MODES:
    names = "".join(f", '{name}'" for name in mode.split(", ") if name)
    conditions = ", ".join(f"events[number] = '{step}'" for step in "abc")
    answer = chdb.query(
        f"""SELECT windowFunnel(1000{names})(toUInt32(number), {conditions}) AS level
            FROM (SELECT place, splitByString('', sequence) AS events, arrayJoin(range(1, length(sequence) + 1)) AS number
                  FROM (SELECT arrayJoin(arrayZip(range({len(sequences)}), {json.dumps(sequences).replace('"', "'")}))
                               AS pair, pair.1 AS place, pair.2 AS sequence))
            GROUP BY place ORDER BY place""",
        "TabSeparated",
    )
    print(f"{mode or 'without a mode'}: {''.join(str(answer).split())}")
