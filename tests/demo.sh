#!/bin/sh
# shellcheck disable=SC2016 # what is shown keeps its variables
# The demo: Pebble as the CA, one certificate over plain curl calls, checked with openssl.
# Usage: demo.sh PATH-TO-CERTWRIGHT [--once]
set -eu

certwright=$1
once=${2:-}
case $once in
'' | --once) ;;
*)
    echo "demo: unknown option $once" >&2
    exit 2
    ;;
esac

home=$(mktemp -d "${TMPDIR:-/tmp}/certwright-demo.XXXXXX")
pids=

clean_up() {
    status=$?
    trap - EXIT INT TERM HUP
    if [ "$status" -ne 0 ] && [ "$status" -lt 128 ]; then
        echo "demo: failed; the last lines of the logs:" >&2
        tail -n 12 "$home"/*.log >&2 || true
    fi
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
    for pid in $pids; do
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$home"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# start NAME COMMAND...: in the background, its output in NAME.log.
start() {
    name=$1
    shift
    "$@" >"$home/$name.log" 2>&1 </dev/null &
    pids="$! $pids"
}

# until_answers URL [CURL OPTION...]: waits at most 10 seconds for a 2xx answer.
until_answers() {
    tries=0
    until curl -sf -o /dev/null --max-time 2 "$@"; do
        tries=$((tries + 1))
        if [ "$tries" -ge 200 ]; then
            echo "demo: nothing answers at $1" >&2
            exit 1
        fi
        sleep 0.05
    done
}

# show COMMAND: prints the very command that it then runs.
show() {
    printf '\n\033[1m$ %s\033[0m\n' "$1"
    eval "$1"
}

# follow FILE: prints each new event of the job in FILE until the job has ended.
follow() {
    python3 - "$API" "$TOKEN" "$1" <<'END'
import json, sys, time, urllib.request

api, token, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    job = json.load(file)
seen, deadline = 0, time.monotonic() + 60
while True:
    for event in job["events"][seen:]:
        print(f"  {event['at'][11:23]}  {event['step']:<12} {event['message']}", flush=True)
    seen = len(job["events"])
    if job["state"] in ("succeeded", "failed", "cancelled") or time.monotonic() > deadline:
        break
    time.sleep(0.05)
    request = urllib.request.Request(
        f"{api}/jobs/{job['id']}", headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        job = json.load(answer)
print(f"  job {job['id']}: {job['state']}")
if job["state"] != "succeeded":
    sys.exit(json.dumps(job["error"], indent=4))
END
}

# Seven loopback ports that are free now, below those that Linux gives to outgoing connections.
ports=$(python3 - <<'END'
import random, socket
held = []
for port in random.SystemRandom().sample(range(12000, 32000), 1000):
    try:
        held.append(socket.create_server(("127.0.0.1", port)))
    except OSError:
        continue
    if len(held) == 7:
        break
print(*(s.getsockname()[1] for s in held))
END
)
# shellcheck disable=SC2086 # seven words
set -- $ports
ca=127.0.0.1:$1 ca_management=127.0.0.1:$2 http01_port=$3 tls_port=$4
dns=127.0.0.1:$5 dns_management=127.0.0.1:$6 api=127.0.0.1:$7

openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 \
    -subj '/CN=demo CA' -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' \
    -keyout "$home/ca.key" -out "$home/ca.pem" 2>/dev/null
cat >"$home/pebble.json" <<END
{ "pebble": { "listenAddress": "$ca", "managementListenAddress": "$ca_management",
  "certificate": "$home/ca.pem", "privateKey": "$home/ca.key",
  "httpPort": $http01_port, "tlsPort": $tls_port,
  "ocspResponderURL": "", "externalAccountBindingRequired": false } }
END
cat >"$home/certwright.json" <<END
{
  "http01_listen": "127.0.0.1:$http01_port",
  "defaults": { "account": "main" },
  "resources": {
    "authorities": {
      "pebble": {
        "directory_url": "https://$ca/dir",
        "trust_bundle": { "\$file": "$home/ca.pem" },
        "test": true
      }
    }
  }
}
END

start challtestsrv pebble-challtestsrv -management "$dns_management" -dns01 "$dns" \
    -http01 '' -https01 '' -tlsalpn01 '' -defaultIPv4 127.0.0.1 -defaultIPv6 ''
start pebble env PEBBLE_VA_NOSLEEP=1 pebble -config "$home/pebble.json" -dnsserver "$dns" -strict
until_answers "https://$ca/dir" --cacert "$home/ca.pem"
start certwright "$certwright" serve --config "$home/certwright.json" --data "$home/data" \
    --listen "$api"
until_answers "http://$api/readyz"

API=http://$api
TOKEN=$(cat "$home/data/admin.token")
cat <<END
Pebble is the CA, certwright's configuration is
$(sed 's/^/    /' "$home/certwright.json")
END

# The commands are evaluated in this directory, where $API and $TOKEN are set.
cd "$home"
show 'curl -sS --fail-with-body "$API/accounts" -H "Authorization: Bearer $TOKEN" \
    -H "Prefer: wait=20" -o account-job.json --json "{
        \"name\": \"main\", \"authority\": \"pebble\",
        \"contacts\": [\"mailto:admin@example.com\"], \"terms_of_service_agreed\": true }"'
follow account-job.json

show 'curl -sS --fail-with-body "$API/certificates" -H "Authorization: Bearer $TOKEN" \
    -o job.json --json "{ \"identifiers\": [\"demo.example.com\"] }"'
follow job.json

show 'curl -sS --fail-with-body "$API/certificates/demo.example.com/fullchain.pem" \
    -H "Authorization: Bearer $TOKEN" -o fullchain.pem'
show "curl -sS --fail -k https://$ca_management/roots/0 -o root.pem"
show 'openssl verify -CAfile root.pem -untrusted fullchain.pem fullchain.pem'
show 'openssl x509 -in fullchain.pem -noout -subject -issuer -enddate -ext subjectAltName'

printf '\nThe certificate is good.\n'
if [ "$once" = --once ]; then
    exit 0
fi
cat <<END
From here on, in another shell:

API=$API
TOKEN=\$(cat $home/data/admin.token)

Ctrl-C ends the demo and removes everything it made.
END
wait "${pids%% *}"
