#!/usr/bin/env bash
# The demo of product analytics, from a click to a number: a small web application in a real browser, a month of a
# product's use with ACTORS people (a million), metrics as tables and charts, an export that DuckDB reads to the same
# numbers, and a search for everything personal in every file and row of the node.
set -euo pipefail
. "$(dirname "$0")/common.sh"
cd "$root"

actors=${ACTORS:-1000000}
folder=$root/.daybook/demo-analytics
daybook() { "$root/bin/daybook" --data-dir "$folder/node" "$@"; }

tsc=$(tests/setup/typescript.sh)
python=$(tests/setup/duckdb.sh)
DAYBOOK_BROWSER=$(tests/setup/browser.sh)
export DAYBOOK_BROWSER

rm -rf "$folder"
mkdir -p "$folder/web"
page=8420
node_process= page_process=
end() {
    [ -z "$page_process" ] || kill "$page_process" 2>/dev/null || true
    [ -z "$node_process" ] || { kill "$node_process" 2>/dev/null && wait "$node_process"; } || true
}
trap end EXIT

say "== a node"
ready=$folder/ready.json
export DAYBOOK_LISTEN__CORS_ORIGINS="[\"http://127.0.0.1:$page\"]" DAYBOOK_ANALYTICS__EXPORT_URL="file://$folder/export"
mkdir -p "$folder/export"
bin/daybook --data-dir "$folder/node" serve --dev --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --ready-file "$ready" \
    >"$folder/node.log" 2>&1 &
node_process=$!
until [ -e "$ready" ]; do
    kill -0 "$node_process" 2>/dev/null || { tail -n 20 "$folder/node.log" >&2; fail "the node did not start"; }
    sleep 0.1
done
url=http://$(sed -n 's/.*"address":"\([^"]*\)".*/\1/p' "$ready")

say "== a web application in a browser, for which every event is a method"
daybook --server "$url" analytics register docs/examples/events
cp docs/examples/web/*.{ts,mjs,html,css,json} "$folder/web"
daybook analytics client docs/examples/events --language typescript --output "$folder/web/events.ts"
node "$tsc" -p "$folder/web"
token=$(daybook --as web --role service token --service)
DAYBOOK_URL=$url DAYBOOK_TOKEN=$token DAYBOOK_TENANT=demo PORT=$page node "$folder/web/serve.mjs" >"$folder/page.log" 2>&1 &
page_process=$!
until grep -q http "$folder/page.log"; do
    kill -0 "$page_process" 2>/dev/null || { cat "$folder/page.log" >&2; fail "port $page is taken: the page cannot be served"; }
    sleep 0.1
done
node "$folder/web/drive.mjs" "http://127.0.0.1:$page" --screenshots "$folder/pictures" >"$folder/driven.json"
cat "$folder/driven.json"
say "pictures of it: $folder/pictures"
say "what the node has counted; numbers of fewer than five people are not shown:"
today=$(date -u +%F)
daybook --server "$url" analytics query usage --split event --since "$today" --until "$(date -u -d tomorrow +%F)"
daybook --server "$url" analytics refused

say "== a month of $actors people"
daybook --server "$url" --json demo analytics --actors "$actors" --output "$folder/month" >"$folder/summary.json" ||
    { cat "$folder/summary.json" >&2; fail "the month did not come out as it should"; }
"$python" - "$folder/summary.json" <<'END'
import json, sys
told = json.load(open(sys.argv[1]))
print(f"{told['counted']:,} events count of {told['sent']:,}, {told['counted'] / told['seconds']:,.0f}/s")
for name, table in told["answers"].items():
    print(f"\n{name}")
    print("  " + " | ".join(column["name"] for column in table["columns"]))
    for row in table["rows"][:8]:
        print("  " + " | ".join(str(next(iter(cell.values()), "")) for cell in row["cells"]))
END
say "charts of it: $folder/month/*.html"

say "== DuckDB reads the export"
"$python" docs/examples/duckdb/compare.py "$folder/summary.json"

say "== nobody is anywhere on the disk"
end
node_process=
"$python" - "$folder" <<'END'
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
secrets = [text.lower().encode() for text in json.load(open(folder / "driven.json"))["secrets"]]
files = [file for part in ("node", "export") for file in (folder / part).rglob("*") if file.is_file()]
found = [f"{secret} in {file}" for file in files for secret in secrets if secret in file.read_bytes().lower()]
print(f"{len(secrets)} things that were typed in the browser, looked for in {len(files)} files: {len(found)} found")
sys.exit("\n".join(found) or 0)
END
