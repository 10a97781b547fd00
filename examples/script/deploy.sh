#!/bin/sh
# Deploys vmpattern.toml of this folder: plans, stops if too much would change, applies just that plan, tells the result.
# Usage: deploy.sh [MOST]   MOST: how many instances may be replaced or ended at most, 10 by default.
# Exit status: 0 deployed or nothing to do, 1 failed, 3 too much would change, 64 wrong file.
set -u
cd "$(dirname "$0")" || exit 1
most=${1:-10}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

vmpattern plan --json -o "$work/plan.json" > "$work/shown.json"
case $? in
    0) echo "nothing to do"; exit 0 ;;
    2) ;;                                   # there are changes
    *) exit $? ;;                           # the message is on standard error
esac

python summary.py plan "$work/shown.json"
if ! python summary.py within "$most" "$work/shown.json"; then
    echo "more than $most instances would go: have a look, then give a higher number" >&2
    exit 3
fi

vmpattern apply "$work/plan.json" --yes --json > "$work/outcome.json" 2> "$work/log"
status=$?
python summary.py outcome "$work/outcome.json"
[ "$status" -eq 0 ] || cat "$work/log" >&2
exit "$status"
