#!/usr/bin/env bash
# Makes one result of each kind, its report, and opens them all in Chromium.
#   run.sh ATHENA WORK_FOLDER
set -euo pipefail
athena=$1
work=$2
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

chromium=${CHROMIUM:-/usr/bin/chromium}
skip() { echo "SKIPPED: $1"; exit 0; }
[[ -x $chromium ]] || skip "no Chromium at $chromium (Debian: apt-get install chromium, or set CHROMIUM)"
command -v node >/dev/null || skip "no node (Debian: apt-get install nodejs npm)"
[[ -d $here/node_modules/playwright-core ]] ||
  skip "no playwright-core (run: npm ci --prefix tests/browser)"
scripts/report-assets
[[ -s build/report-assets/echarts.js ]] || skip "no chart library (scripts/report-assets said why)"

rm -rf "$work"
mkdir -p "$work"
"$athena" run workloads/models/llama-2-7b.yaml --on athena --vs a100-sxm-80gb --phase generate --batch 8 \
  --input 512 --output 16 --fidelity analytic --out "$work/run" --quiet
"$athena" run workloads/models/tiny-llama.yaml --on athena --phase prefill --input 32 --out "$work/alone" --quiet
"$athena" serve workloads/traces/small.csv --model llama-2-7b --on athena --vs a100-sxm-80gb --limit 60 \
  --out "$work/serve" --quiet
"$athena" sweep memory-wall --budget 12 --optimizer sobol --out "$work/sweep" --quiet
"$athena" cost athena --vs a100-sxm-80gb --out "$work/cost" --quiet
# Every command that keeps a folder leaves its page there.
pages=()
for kind in run alone serve sweep cost; do
  pages+=("$work/$kind/report.html")
done
# Pages of results that never change: what they look like is compared with the pictures in golden/.
for folder in "$here"/fixed/*/; do
  kind=$(basename "$folder")
  cp -r "$folder" "$work/$kind"
  "$athena" report "$work/$kind" --quiet
  pages+=("$work/$kind/report.html")
done
cd "$here"
CHROMIUM=$chromium exec node pages.mjs "$work/screenshots" "${pages[@]}"
