#!/bin/sh
# Makes a TLS certificate for Pebble where certwright can read it, then runs DNS and CA.
set -eu

if [ ! -e /trust/ca.pem ] || [ ! -e /root/pebble.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj '/CN=pebble' -addext 'subjectAltName=DNS:pebble,DNS:localhost,IP:127.0.0.1' \
        -keyout /root/pebble.key -out /trust/ca.pem
fi
cat >/root/pebble.json <<END
{ "pebble": { "listenAddress": "0.0.0.0:14000", "managementListenAddress": "0.0.0.0:15000",
  "certificate": "/trust/ca.pem", "privateKey": "/root/pebble.key",
  "httpPort": 5002, "tlsPort": 5001,
  "ocspResponderURL": "", "externalAccountBindingRequired": false } }
END
pebble-challtestsrv -dns01 127.0.0.1:8053 -management 127.0.0.1:8055 \
    -http01 '' -https01 '' -tlsalpn01 '' -defaultIPv4 10.30.50.3 -defaultIPv6 '' &
export PEBBLE_VA_NOSLEEP=1
exec pebble -config /root/pebble.json -dnsserver 127.0.0.1:8053
