#!/bin/sh
# Runs HAProxy as a master with workers in the foreground, as the official image does, or any other
# command as it is.
set -e
if [ "${1#-}" != "$1" ]; then
    set -- haproxy "$@"
fi
if [ "$1" = haproxy ]; then
    shift
    set -- haproxy -W -db "$@"
fi
exec "$@"
