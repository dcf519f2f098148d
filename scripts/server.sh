# A private PostgreSQL for scripts, which source this from the root of the repository:
#   begin_server OPTIONS    makes one; sets bin, home, dsn
#   kill_server, start_server
# It ends with the script.
for directory in "$(pg_config --bindir 2>/dev/null || true)" /usr/lib/postgresql/*/bin; do
    if [[ -x $directory/initdb && -x $directory/postgres ]]; then bin=$directory; break; fi
done
if [[ -z ${bin:-} ]]; then
    echo "$0: PostgreSQL is missing: scripts/test installs it" >&2
    exit 1
fi
PATH=$PATH:$bin

as_server() {
    if [[ $(id -u) = 0 ]]; then
        local user=postgres
        id -u postgres >/dev/null 2>&1 || user=nobody
        (cd "$home" && runuser -u "$user" -- "$@")
    else
        (cd "$home" && "$@")
    fi
}

start_server() {
    as_server "$bin/pg_ctl" -D "$home/data" -w -t 120 -l "$home/server.log" -o "-k $home -c listen_addresses= $options" start >/dev/null
}

# As if the machine had lost it: no process of it gets to do anything more.
kill_server() {
    local postmaster
    postmaster=$(head -1 "$home/data/postmaster.pid")
    kill -9 $(pgrep -P "$postmaster") "$postmaster" 2>/dev/null || true
    while kill -0 "$postmaster" 2>/dev/null; do sleep 0.05; done
}

begin_server() {
    options=$1
    home=$(mktemp -d "${TMPDIR:-/tmp}/mdsctl-bench-XXXXXX")
    chmod 755 "$home"
    [[ $(id -u) != 0 ]] || chown "$(id -u postgres >/dev/null 2>&1 && echo postgres || echo nobody)" "$home"
    trap 'as_server "$bin/pg_ctl" -D "$home/data" -m immediate stop >/dev/null 2>&1 || true; rm -rf "$home"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    as_server "$bin/initdb" -D "$home/data" -A trust -U bench --locale=C -E UTF8 >"$home.log" 2>&1 || { cat "$home.log" >&2; exit 1; }
    rm -f "$home.log"
    start_server
    dsn="host=$home user=bench dbname=postgres"
}
