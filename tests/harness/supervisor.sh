# Runs a server and never lets it outlive the test process.
# $1: directory of the server's own, removed at the end; the rest: the server's command line.
# Standard input is a pipe from the test process: its end, however it comes about, ends the
# server. A line on it before ("keep") leaves the directory in place, for a later start.
# END names the signal for that, if it is not QUIT.
trap '' INT TERM HUP
directory=$1
shift
"$@" </dev/null >>"$directory/server.log" 2>&1 &
server=$!
echo "$server"
exec >/dev/null
read -r word || word=
kill -"${END:-QUIT}" "$server" 2>/dev/null
wait "$server"
[ "$word" = keep ] || rm -rf "$directory"
