#!/bin/sh
# Runs every fuzz target for SECONDS each, as many at once as there are processors, and prints a
# table. What the fuzzer finds stays in FOUND/NAME, so that the next run goes on from there; an
# input that breaks something is kept beside it and named.
# Usage: run.sh PROGRAMS FOUND SECONDS
set -eu

programs=$1
found=$2
seconds=$3
here=$(dirname "$0")
mkdir -p "$found"

# The last number after KEY: in a log.
number() {
    grep -o "$1: [0-9]*" "$2" | tail -n 1 | grep -o '[0-9]*$' || echo 0
}

# One target; its line of the table goes to FOUND/NAME.row.
run_one() {
    program=$1
    name=${program##*/fuzz_}
    log=$found/$name.log
    mkdir -p "$found/$name"
    words=$here/dictionaries/$name.dict
    set -- "$program"
    [ ! -e "$words" ] || set -- "$@" -dict="$words"
    result=ok
    "$@" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
        -artifact_prefix="$found/$name-" "$found/$name" "$here/corpus/$name" >"$log" 2>&1 ||
        result=FOUND
    printf '%-12s %10s %8s %7s  %s\n' "$name" "$(number stat::number_of_executed_units "$log")" \
        "$(number cov "$log")" "$(find "$found/$name" -type f | wc -l)" "$result" >"$found/$name.row"
    [ "$result" = ok ]
}

if [ "${4:-}" ]; then
    run_one "$4"
    exit
fi

rm -f "$found"/*.row
failed=0
find "$programs" -name 'fuzz_*' -type f -perm -u+x | sort |
    xargs -P "$(nproc)" -I '{}' "$0" "$programs" "$found" "$seconds" '{}' || failed=1
printf '%-12s %10s %8s %7s\n' target runs edges inputs
cat "$found"/*.row
for row in "$found"/*.row; do
    grep -q FOUND "$row" || continue
    log=${row%.row}.log
    echo "$log:"
    grep -E '^broken property|runtime error|^SUMMARY|Test unit written to' "$log" || tail -n 3 "$log"
done
broken=$(cat "$found"/*.row | grep -c FOUND) || true
echo "$(($(cat "$found"/*.row | wc -l) - broken)) passed, $broken failed"
exit "$failed"
