#!/bin/sh
# Stands in for the program: CERTWRIGHT=tests/valgrind.sh /usr/bin/python3 -m pytest …
exec valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite \
    "${CERTWRIGHT_BUILD:-$(dirname "$0")/../build/dev}/server/certwright" "$@"
