#!/usr/bin/env bash
# A throwaway PostgreSQL that lives exactly as long as whoever holds its standard input.
#
#   in:   one word a line: `stop` (as a crash does), `start`; the end of the input ends and removes everything
#   out:  one line for each of them, and one at the beginning: `ready URL BINDIR`, `stopped`, `ready …` or `error WHY`
#   $1:   `on` or `off`: fsync (off by default)
#
# Run it under setsid, so that a signal to the terminal's process group leaves it to clean up. Nothing started here
# inherits the standard output or error: a server that outlives a test run would hold that run's pipes open, and whoever
# reads them would wait for ever.

exec 2>/dev/null
for fd in /proc/$$/fd/*; do
    fd=${fd##*/}
    # Bash reads a script by 255, which it closes by itself.
    if [ "$fd" -gt 2 ] && [ "$fd" != 255 ]; then
        eval "exec $fd>&-"
    fi
done
cd / || exit 1
fsync=${1:-off}

# The directory of PostgreSQL's programs: what PG_CONFIG names, else the newest of Debian's, else what the PATH has.
# The PATH comes last because Debian puts wrappers there that choose a version by themselves.
find_programs() {
    if [ -n "$PG_CONFIG" ]; then
        "$PG_CONFIG" --bindir
        return
    fi
    newest=$(ls -d /usr/lib/postgresql/*/bin | sort -t / -k 5 -n | tail -n 1)
    if [ -x "$newest/initdb" ]; then
        echo "$newest"
    else
        dirname "$(readlink -f "$(command -v initdb)")"
    fi
}

# PostgreSQL refuses to run as root.
as_owner() {
    if [ "$(id -u)" != 0 ]; then
        "$@" </dev/null >/dev/null
    elif command -v runuser >/dev/null; then
        runuser -u postgres -- "$@" </dev/null >/dev/null
    else
        su postgres -s /bin/sh -c 'exec "$0" "$@"' -- "$@" </dev/null >/dev/null
    fi
}

fail() {
    echo "error $1: $(tail -n 3 "$dir/log" | tr '\n' ' ')"
    rm -rf "$dir"
    exit 1
}

# A port that nothing listens on, from below the range that the system gives to outgoing connections.
free_port() {
    while :; do
        port=$((10000 + $(od -An -N2 -tu2 /dev/urandom) % 20000))
        grep -qi ":$(printf '%04X' "$port") " /proc/net/tcp /proc/net/tcp6 || break
    done
}

start() {
    as_owner "$bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w -t 60 start -o "-p $port"
}

bin=$(find_programs)
if [ ! -x "$bin/initdb" ]; then
    echo "error no initdb in the PATH or in /usr/lib/postgresql: install postgresql"
    exit 1
fi
dir=$(mktemp -d /tmp/posthaste-postgres.XXXXXX)
# An end by a signal cleans up too.
trap 'exit 1' INT TERM HUP
trap 'as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop; rm -rf "$dir"' EXIT
if [ "$(id -u)" = 0 ]; then
    chown postgres "$dir" || fail "root needs a user named postgres to run the server"
fi
as_owner "$bin/initdb" -D "$dir/data" -U postgres -A trust -E UTF8 --locale=C --no-sync || fail "initdb failed"
cat >> "$dir/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = '$dir'
max_connections = 300
shared_buffers = 128MB
fsync = $fsync
full_page_writes = $fsync
synchronous_commit = on
log_line_prefix = '%m [%p] %d '
CONF
# Another process may take the port between the look and the start.
tries=5
free_port
until start; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || fail "the server does not start"
    free_port
done
echo "ready postgres://postgres@127.0.0.1:$port/postgres $bin"

while read -r word; do
    case $word in
    stop)
        as_owner "$bin/pg_ctl" -D "$dir/data" -m immediate -w stop
        echo stopped
        ;;
    start)
        start || fail "the server does not start again"
        echo "ready postgres://postgres@127.0.0.1:$port/postgres $bin"
        ;;
    esac
done
