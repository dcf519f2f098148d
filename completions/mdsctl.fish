# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_mdsctl_global_optspecs
    string join \n config= v/verbose q/quiet log-format= color= progress= json h/help V/version
end

function __fish_mdsctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_mdsctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_mdsctl_using_subcommand
    set -l cmd (__fish_mdsctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c mdsctl -n "__fish_mdsctl_needs_command" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_needs_command" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_needs_command" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_needs_command" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_needs_command" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -s V -l version -d 'Print version'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "load" -d 'Load files, directories, globs, objects of a store or stdin (-)'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "tail" -d 'Follow growing files, globs, streams of a broker or a pipe (-) and keep loading'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "replay-dlq" -d 'Put the rows of a dead-letter queue through the engine again'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "inspect-dlq" -d 'Say what is in a dead-letter queue and why, and hand its rows out'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "verify" -d 'Hold files against the store: what is missing, different, or in the store alone'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "health" -d 'Say whether the store, its tables, the dead letters and a running instance are well'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "runs" -d 'The history of loads: when, what, how many rows, how it ended'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "schema" -d 'The tables: print their DDL, create them, compare them'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "completions" -d 'Completions of the command line for a shell, on stdout'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "man" -d 'The manual: a page on stdout, or all of them into a directory'
complete -c mdsctl -n "__fish_mdsctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l dataset -d 'What the rows are (else detected from the columns)' -r -f -a "bars\t''
ticks\t''
quotes\t''
options\t''
fundamentals\t''
news\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l layout -d 'How a vendor\'s files are read: a layout by name, none, or help for the list (else by the signs of the file)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l table -d 'Load into this table; without --dataset its columns and key are the table\'s own' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l vendor -d 'Short for --set vendor=V' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l symbol -d 'Short for --set symbol=S' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l timeframe -d 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l name-pattern -d 'Columns from the name of the file, for instance \'{symbol}-{timeframe}-{date}\'' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l map -d 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l set -d 'Give a column the same value in every row' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l timestamp-unit -d 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)' -r -f -a "s\t'Seconds since 1970'
ms\t'Milliseconds since 1970'
us\t'Microseconds since 1970'
ns\t'Nanoseconds since 1970'
days\t'Days since 1970'
excel\t'Days of a spreadsheet (44197 is 2021-01-01)'
dotnet\t'Ticks of .NET'
filetime\t'Windows file times'
yyyymm\t'Months: their first day'
yyyy\t'Years: their first day'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l timezone -d 'Zone of times that name none, for instance America/New_York (else UTC)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l date-order -d 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)' -r -f -a "mdy\t''
dmy\t''
ymd\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l time-format -d 'How times are written, as strftime has it, for instance \'%d.%m.%Y %H:%M\' (else found out)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l decimal -d 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l scale -d 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l null -d 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \\N and -)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l on-conflict -d 'What happens to a row whose key is in the table already, or came before in the input' -r -f -a "update\t'It replaces the row that is there; the last row of a key wins'
skip\t'The row that is there stays, and this one is counted as skipped; the first wins'
error\t'The row that is there stays, and this one goes to the dead-letter queue'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l quality -d 'What to do with implausible rows (high below low, negative sizes, times in the future)' -r -f -a "off\t'Do not look'
warn\t'Count and report them, and store them'
reject\t'Reject them'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l format -d 'Format of the input (else told by its bytes, then by its name)' -r -f -a "csv\t''
ndjson\t''
parquet\t''
dbn\t''
arrow\t''
xlsx\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l encoding -d 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l delimiter -d 'Delimiter of CSV (else deduced from the header)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l unpivot -d 'Make rows of columns: \'{option_type}_{}\' makes two of a row with call_bid and put_bid' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l columns -d 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l rows-at -d 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l skip-lines -d 'Lines to skip before the header' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l comment -d 'Pass over lines that begin with C, wherever they stand' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l dlq -d 'Dead-letter queue: a file, a prefix in an object store, nats://HOST/SUBJECT or kafka://HOST/TOPIC (else `.dlq/<dataset>.ndjson`)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l dlq-max-bytes -d 'Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l max-rejects -d 'Stop when more rows than this are rejected, or a larger share of the rows read' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l source-id -d 'Name by which a later run knows this input again; needed to resume a pipe' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l share -d 'Share these inputs with all loaders that are given the same job, on any number of machines' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l lease -d 'Silence after which other loaders of a job take over what a loader has claimed' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l part-size -d 'Size of the parts that a job is claimed in (else 64M, less where it has few files)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l bulk -d 'How rows get into a table that is empty: around its key, which is then built over all of them at once' -r -f -a "auto\t'Where the inputs are 16 MiB or more, and the table is empty and plain'
never\t'Rows go through the key one batch after the other, and show at once'
always\t'Also for small inputs and pipes; an error where the table does not allow it'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l workers -d 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l capacity -d 'Rows that the queue holds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l batch-size -d 'Most rows in one transaction' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l flush-interval -d 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l rate-limit -d 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l high-watermark -d 'Queue depth at which producers are told to slow down (80 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l low-watermark -d 'Queue depth at which they may go on (50 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l overflow -d 'When the queue is full' -r -f -a "block\t'Wait'
drop-oldest\t'Drop the oldest rows into the dead-letter queue'
error\t'Stop'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l retry-max-attempts -d 'Attempts at a write before the circuit opens' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l retry-initial-backoff -d 'Wait before the second attempt (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l retry-max-backoff -d 'Longest wait between attempts (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l retry-multiplier -d 'Factor from one wait to the next' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l retry-jitter -d 'The Python system\'s variable speaks of jitter, our flag of its absence' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l cb-failure-threshold -d 'Failures in a row that open the circuit' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l cb-half-open-after -d 'Time from the opening of the circuit to the first probe' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l max-outage -d 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l write-timeout -d 'Longest time that the store may take to answer one statement' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l metrics-textfile -d 'Keep Prometheus metrics of the run in this file, for node_exporter\'s textfile collector' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l coord-id -d 'Label coord_id of the metrics (else the name of the dataset or table)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l otlp -d 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l metrics-listen -d 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l metrics-token -d 'Answer only who has this token (Authorization: Bearer TOKEN)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l feedback-url -d 'POST each change of the queue\'s level (ok, soft, hard) as JSON to this URL' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l feedback-broadcast -d 'Whether to send it' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l feedback-timeout -d 'Longest time that an attempt at sending it may take' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l feedback-max-retries -d 'Further attempts at sending it, before there is one every 30 seconds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l feedback-backoff -d 'Wait before the first further attempt; it doubles' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l force-set -d 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l decimal-comma -d 'Short for --decimal ,'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l keep-case -d 'Leave symbols in the case that they have'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l exact -d 'Reject values with more decimals than their column, rather than round them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l round -d 'Round fractions for columns of whole numbers, rather than reject them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l no-header -d 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l recursive -d 'Look into the folders of folders'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l dry-run -d 'Read, map and check everything; write nothing, neither to the store nor to the queue'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l resume -d 'Go on where an interrupted load of the same inputs stopped'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l force -d 'Load into a table without a key what an earlier run has loaded into it already'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l compress-after-load -d 'Behind the last row, compress the chunks of a hypertable that this load has written into'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l no-retry-jitter -d 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l wait -d 'Wait for the store also when it is away at the start'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l metrics-public -d 'Answer anyone, also on an address that other machines reach'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand load" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l from -d 'Where to begin: at the start, at the end, or where an earlier tail has come to (else the start)' -r -f -a "start\t''
end\t''
checkpoint\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l checkpoint -d 'Keep the places in this file (else `.mdsctl/tail-<hash of inputs and table>.json`)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l poll -d 'Time between two looks where the system tells of no changes' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l idle-exit -d 'End when nothing has come for so long (else never)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l dataset -d 'What the rows are (else detected from the columns)' -r -f -a "bars\t''
ticks\t''
quotes\t''
options\t''
fundamentals\t''
news\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l layout -d 'How a vendor\'s files are read: a layout by name, none, or help for the list (else by the signs of the file)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l table -d 'Load into this table; without --dataset its columns and key are the table\'s own' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l vendor -d 'Short for --set vendor=V' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l symbol -d 'Short for --set symbol=S' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l timeframe -d 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l name-pattern -d 'Columns from the name of the file, for instance \'{symbol}-{timeframe}-{date}\'' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l map -d 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l set -d 'Give a column the same value in every row' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l timestamp-unit -d 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)' -r -f -a "s\t'Seconds since 1970'
ms\t'Milliseconds since 1970'
us\t'Microseconds since 1970'
ns\t'Nanoseconds since 1970'
days\t'Days since 1970'
excel\t'Days of a spreadsheet (44197 is 2021-01-01)'
dotnet\t'Ticks of .NET'
filetime\t'Windows file times'
yyyymm\t'Months: their first day'
yyyy\t'Years: their first day'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l timezone -d 'Zone of times that name none, for instance America/New_York (else UTC)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l date-order -d 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)' -r -f -a "mdy\t''
dmy\t''
ymd\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l time-format -d 'How times are written, as strftime has it, for instance \'%d.%m.%Y %H:%M\' (else found out)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l decimal -d 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l scale -d 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l null -d 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \\N and -)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l on-conflict -d 'What happens to a row whose key is in the table already, or came before in the input' -r -f -a "update\t'It replaces the row that is there; the last row of a key wins'
skip\t'The row that is there stays, and this one is counted as skipped; the first wins'
error\t'The row that is there stays, and this one goes to the dead-letter queue'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l quality -d 'What to do with implausible rows (high below low, negative sizes, times in the future)' -r -f -a "off\t'Do not look'
warn\t'Count and report them, and store them'
reject\t'Reject them'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l format -d 'Format of the input (else told by its bytes, then by its name)' -r -f -a "csv\t''
ndjson\t''
parquet\t''
dbn\t''
arrow\t''
xlsx\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l encoding -d 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l delimiter -d 'Delimiter of CSV (else deduced from the header)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l unpivot -d 'Make rows of columns: \'{option_type}_{}\' makes two of a row with call_bid and put_bid' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l columns -d 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l rows-at -d 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l skip-lines -d 'Lines to skip before the header' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l comment -d 'Pass over lines that begin with C, wherever they stand' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l dlq -d 'Dead-letter queue: a file, a prefix in an object store, nats://HOST/SUBJECT or kafka://HOST/TOPIC (else `.dlq/<dataset>.ndjson`)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l dlq-max-bytes -d 'Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l max-rejects -d 'Stop when more rows than this are rejected, or a larger share of the rows read' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l workers -d 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l capacity -d 'Rows that the queue holds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l batch-size -d 'Most rows in one transaction' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l flush-interval -d 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l rate-limit -d 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l high-watermark -d 'Queue depth at which producers are told to slow down (80 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l low-watermark -d 'Queue depth at which they may go on (50 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l overflow -d 'When the queue is full' -r -f -a "block\t'Wait'
drop-oldest\t'Drop the oldest rows into the dead-letter queue'
error\t'Stop'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l retry-max-attempts -d 'Attempts at a write before the circuit opens' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l retry-initial-backoff -d 'Wait before the second attempt (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l retry-max-backoff -d 'Longest wait between attempts (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l retry-multiplier -d 'Factor from one wait to the next' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l retry-jitter -d 'The Python system\'s variable speaks of jitter, our flag of its absence' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l cb-failure-threshold -d 'Failures in a row that open the circuit' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l cb-half-open-after -d 'Time from the opening of the circuit to the first probe' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l max-outage -d 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l write-timeout -d 'Longest time that the store may take to answer one statement' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l metrics-textfile -d 'Keep Prometheus metrics of the run in this file, for node_exporter\'s textfile collector' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l coord-id -d 'Label coord_id of the metrics (else the name of the dataset or table)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l otlp -d 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l metrics-listen -d 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l metrics-token -d 'Answer only who has this token (Authorization: Bearer TOKEN)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l feedback-url -d 'POST each change of the queue\'s level (ok, soft, hard) as JSON to this URL' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l feedback-broadcast -d 'Whether to send it' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l feedback-timeout -d 'Longest time that an attempt at sending it may take' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l feedback-max-retries -d 'Further attempts at sending it, before there is one every 30 seconds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l feedback-backoff -d 'Wait before the first further attempt; it doubles' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l force-set -d 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l decimal-comma -d 'Short for --decimal ,'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l keep-case -d 'Leave symbols in the case that they have'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l exact -d 'Reject values with more decimals than their column, rather than round them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l round -d 'Round fractions for columns of whole numbers, rather than reject them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l no-header -d 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l recursive -d 'Look into the folders of folders'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l dry-run -d 'Read, map and check everything; write nothing, neither to the store nor to the queue'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l no-retry-jitter -d 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l wait -d 'Wait for the store also when it is away at the start'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l metrics-public -d 'Answer anyone, also on an address that other machines reach'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand tail" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l where -d 'Rows with that value in a field of the record\'s metadata or of their own' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l code -d 'Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l stage -d 'Rows that failed there: decode, validate, write, overflow or abort' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l since -d 'Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l until -d 'Rows that failed last before that time' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l symbol -d 'Rows of that symbol' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l limit -d 'So many rows at most (the newest ones, where rows are handed out or replayed)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l dataset -d 'What the rows are (else as their records say, or detected)' -r -f -a "bars\t''
ticks\t''
quotes\t''
options\t''
fundamentals\t''
news\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l table -d 'Load into this table (else the one that they were meant for)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l map -d 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l set -d 'Give a column the same value in every row' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l timestamp-unit -d 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)' -r -f -a "s\t'Seconds since 1970'
ms\t'Milliseconds since 1970'
us\t'Microseconds since 1970'
ns\t'Nanoseconds since 1970'
days\t'Days since 1970'
excel\t'Days of a spreadsheet (44197 is 2021-01-01)'
dotnet\t'Ticks of .NET'
filetime\t'Windows file times'
yyyymm\t'Months: their first day'
yyyy\t'Years: their first day'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l timezone -d 'Zone of times that name none, for instance America/New_York (else UTC)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l date-order -d 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)' -r -f -a "mdy\t''
dmy\t''
ymd\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l time-format -d 'How times are written, as strftime has it, for instance \'%d.%m.%Y %H:%M\' (else found out)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l decimal -d 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l scale -d 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l null -d 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \\N and -)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l on-conflict -d 'What happens to a row whose key is in the table already, or came before in the input' -r -f -a "update\t'It replaces the row that is there; the last row of a key wins'
skip\t'The row that is there stays, and this one is counted as skipped; the first wins'
error\t'The row that is there stays, and this one goes to the dead-letter queue'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l quality -d 'What to do with implausible rows (high below low, negative sizes, times in the future)' -r -f -a "off\t'Do not look'
warn\t'Count and report them, and store them'
reject\t'Reject them'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l max-attempts -d 'Times that a row is tried before it is parked [default: 5]' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l archive -d 'Keep what was loaded, in a file in this directory' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l dlq-max-bytes -d 'Size at which the queue begins another file, for instance 100M' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l workers -d 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l capacity -d 'Rows that the queue holds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l batch-size -d 'Most rows in one transaction' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l flush-interval -d 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l rate-limit -d 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l high-watermark -d 'Queue depth at which producers are told to slow down (80 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l low-watermark -d 'Queue depth at which they may go on (50 % of the capacity)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l overflow -d 'When the queue is full' -r -f -a "block\t'Wait'
drop-oldest\t'Drop the oldest rows into the dead-letter queue'
error\t'Stop'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l retry-max-attempts -d 'Attempts at a write before the circuit opens' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l retry-initial-backoff -d 'Wait before the second attempt (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l retry-max-backoff -d 'Longest wait between attempts (a bare number is milliseconds)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l retry-multiplier -d 'Factor from one wait to the next' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l retry-jitter -d 'The Python system\'s variable speaks of jitter, our flag of its absence' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l cb-failure-threshold -d 'Failures in a row that open the circuit' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l cb-half-open-after -d 'Time from the opening of the circuit to the first probe' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l max-outage -d 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l write-timeout -d 'Longest time that the store may take to answer one statement' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l metrics-textfile -d 'Keep Prometheus metrics of the run in this file, for node_exporter\'s textfile collector' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l coord-id -d 'Label coord_id of the metrics (else the name of the dataset or table)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l otlp -d 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l metrics-listen -d 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l metrics-token -d 'Answer only who has this token (Authorization: Bearer TOKEN)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l feedback-url -d 'POST each change of the queue\'s level (ok, soft, hard) as JSON to this URL' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l feedback-broadcast -d 'Whether to send it' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l feedback-timeout -d 'Longest time that an attempt at sending it may take' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l feedback-max-retries -d 'Further attempts at sending it, before there is one every 30 seconds' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l feedback-backoff -d 'Wait before the first further attempt; it doubles' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l decimal-comma -d 'Short for --decimal ,'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l keep-case -d 'Leave symbols in the case that they have'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l exact -d 'Reject values with more decimals than their column, rather than round them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l round -d 'Round fractions for columns of whole numbers, rather than reject them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l force -d 'Write rows also over ones that were stored after they failed, and take over a queue that another machine has claimed'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l discard -d 'Take the rows out of the queue without loading them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l dry-run -d 'Read, map and check everything; write nothing and leave the queue as it is'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l no-retry-jitter -d 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l wait -d 'Wait for the store also when it is away at the start'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l metrics-public -d 'Answer anyone, also on an address that other machines reach'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand replay-dlq" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l by -d 'What the groups are made by; several, with commas, for their combinations' -r -f -a "code\t''
stage\t''
dataset\t''
source\t''
symbol\t''
hour\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l format -d 'table, json (the same for programs), or the rows alone as csv or ndjson' -r -f -a "table\t''
json\t''
csv\t''
ndjson\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l samples -d 'Rows that are shown of each group' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l export -d 'Write the rows alone to this file (.csv, .ndjson or .parquet)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l where -d 'Rows with that value in a field of the record\'s metadata or of their own' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l code -d 'Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l stage -d 'Rows that failed there: decode, validate, write, overflow or abort' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l since -d 'Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l until -d 'Rows that failed last before that time' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l symbol -d 'Rows of that symbol' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l limit -d 'So many rows at most (the newest ones, where rows are handed out or replayed)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l force -d 'Write over a file that is there'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l follow -d 'Print records as they come, also where the queue is renamed by a replay or begun anew'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand inspect-dlq" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l dataset -d 'What the rows are (else detected from the columns)' -r -f -a "bars\t''
ticks\t''
quotes\t''
options\t''
fundamentals\t''
news\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l layout -d 'How a vendor\'s files are read: a layout by name, none, or help for the list (else by the signs of the file)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l table -d 'Load into this table; without --dataset its columns and key are the table\'s own' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l vendor -d 'Short for --set vendor=V' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l symbol -d 'Short for --set symbol=S' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l timeframe -d 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l name-pattern -d 'Columns from the name of the file, for instance \'{symbol}-{timeframe}-{date}\'' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l map -d 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l set -d 'Give a column the same value in every row' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l timestamp-unit -d 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)' -r -f -a "s\t'Seconds since 1970'
ms\t'Milliseconds since 1970'
us\t'Microseconds since 1970'
ns\t'Nanoseconds since 1970'
days\t'Days since 1970'
excel\t'Days of a spreadsheet (44197 is 2021-01-01)'
dotnet\t'Ticks of .NET'
filetime\t'Windows file times'
yyyymm\t'Months: their first day'
yyyy\t'Years: their first day'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l timezone -d 'Zone of times that name none, for instance America/New_York (else UTC)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l date-order -d 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)' -r -f -a "mdy\t''
dmy\t''
ymd\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l time-format -d 'How times are written, as strftime has it, for instance \'%d.%m.%Y %H:%M\' (else found out)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l decimal -d 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l scale -d 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l null -d 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \\N and -)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l on-conflict -d 'What happens to a row whose key is in the table already, or came before in the input' -r -f -a "update\t'It replaces the row that is there; the last row of a key wins'
skip\t'The row that is there stays, and this one is counted as skipped; the first wins'
error\t'The row that is there stays, and this one goes to the dead-letter queue'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l quality -d 'What to do with implausible rows (high below low, negative sizes, times in the future)' -r -f -a "off\t'Do not look'
warn\t'Count and report them, and store them'
reject\t'Reject them'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l format -d 'Format of the input (else told by its bytes, then by its name)' -r -f -a "csv\t''
ndjson\t''
parquet\t''
dbn\t''
arrow\t''
xlsx\t''"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l encoding -d 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l delimiter -d 'Delimiter of CSV (else deduced from the header)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l unpivot -d 'Make rows of columns: \'{option_type}_{}\' makes two of a row with call_bid and put_bid' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l columns -d 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l rows-at -d 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l skip-lines -d 'Lines to skip before the header' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l comment -d 'Pass over lines that begin with C, wherever they stand' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l sample -d 'Compare only so many of a hundred days of each symbol, picked by chance, always the same' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l export -d 'Write the rows that differ into this file, one JSON object a line: the key, the values of both sides, the place in the input' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l force-set -d 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l decimal-comma -d 'Short for --decimal ,'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l keep-case -d 'Leave symbols in the case that they have'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l exact -d 'Reject values with more decimals than their column, rather than round them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l round -d 'Round fractions for columns of whole numbers, rather than reject them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l no-header -d 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l recursive -d 'Look into the folders of folders'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l force -d 'Write over the file of --export'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l repair -d 'Load the inputs again where rows are missing or different: what is there as it is stays unchanged'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l timeout -d 'Longest time that all of it may take' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l warn-latency -d 'A warning where the store takes so long to answer' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l crit-latency -d 'Critical where the store takes so long to answer' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dlq -d 'A dead-letter queue, its address, or a directory of them (may be given more than once; else .dlq)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dlq-warn -d 'So many dead rows are a warning' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dlq-crit -d 'So many dead rows are critical' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dlq-age-warn -d 'A row that failed first so long ago is a warning' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l dlq-age-crit -d 'A row that failed first so long ago is critical' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l url -d 'A running instance, by the address of its --metrics-listen; may be given more than once, and the worst counts' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l token -d 'The token that it wants; the same for all of them' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand health" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l limit -d 'Show so many, the newest first' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand runs" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -f -a "show" -d 'Print the DDL'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -f -a "apply" -d 'Create the tables, or bring them up to date; does nothing where all is well'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -f -a "check" -d 'Compare the tables with what they should be'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and not __fish_seen_subcommand_from show apply check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l chunk -d 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l compress-after -d 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l retention -d 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l distribute -d 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l append-only -d 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l grant -d 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l rls -d 'With row-level security by tenant'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from show" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l chunk -d 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l compress-after -d 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l retention -d 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l distribute -d 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l append-only -d 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l grant -d 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l rls -d 'With row-level security by tenant'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from apply" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l dsn -d 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l tenant -d 'Tenant of the rows' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l chunk -d 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l compress-after -d 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l retention -d 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l distribute -d 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l append-only -d 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l grant -d 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)' -r
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l rls -d 'With row-level security by tenant'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from help" -f -a "show" -d 'Print the DDL'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from help" -f -a "apply" -d 'Create the tables, or bring them up to date; does nothing where all is well'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from help" -f -a "check" -d 'Compare the tables with what they should be'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand schema; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l dir -d 'Write all pages into this directory, which is made where it is missing' -r -f -a "(__fish_complete_directories)"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l config -d 'Configuration file (TOML, with the long names of the flags)' -r -F
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l log-format -d 'Form of log lines on stderr' -r -f -a "text\t'Lines for people'
json\t'One JSON object a line'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l color -d 'Colours' -r -f -a "auto\t'On a terminal'
always\t'Always'
never\t'Never'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l progress -d 'How progress is shown on stderr' -r -f -a "auto\t'A live block on a terminal, lines elsewhere'
bar\t'The live block'
plain\t'A line every few seconds'
json\t'A JSON object a line'
none\t'Nothing'"
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -s v -l verbose -d 'Say more; twice for all'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -s q -l quiet -d 'Say only what went wrong'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -l json -d 'Print the result as one JSON object on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "load" -d 'Load files, directories, globs, objects of a store or stdin (-)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "tail" -d 'Follow growing files, globs, streams of a broker or a pipe (-) and keep loading'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "replay-dlq" -d 'Put the rows of a dead-letter queue through the engine again'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "inspect-dlq" -d 'Say what is in a dead-letter queue and why, and hand its rows out'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "verify" -d 'Hold files against the store: what is missing, different, or in the store alone'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "health" -d 'Say whether the store, its tables, the dead letters and a running instance are well'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "runs" -d 'The history of loads: when, what, how many rows, how it ended'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "schema" -d 'The tables: print their DDL, create them, compare them'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "completions" -d 'Completions of the command line for a shell, on stdout'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "man" -d 'The manual: a page on stdout, or all of them into a directory'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and not __fish_seen_subcommand_from load tail replay-dlq inspect-dlq verify health runs schema completions man help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "show" -d 'Print the DDL'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "apply" -d 'Create the tables, or bring them up to date; does nothing where all is well'
complete -c mdsctl -n "__fish_mdsctl_using_subcommand help; and __fish_seen_subcommand_from schema" -f -a "check" -d 'Compare the tables with what they should be'
