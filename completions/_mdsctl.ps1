
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'mdsctl' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'mdsctl'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'mdsctl' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('load', 'load', [CompletionResultType]::ParameterValue, 'Load files, directories, globs, objects of a store or stdin (-)')
            [CompletionResult]::new('tail', 'tail', [CompletionResultType]::ParameterValue, 'Follow growing files, globs, streams of a broker or a pipe (-) and keep loading')
            [CompletionResult]::new('replay-dlq', 'replay-dlq', [CompletionResultType]::ParameterValue, 'Put the rows of a dead-letter queue through the engine again')
            [CompletionResult]::new('inspect-dlq', 'inspect-dlq', [CompletionResultType]::ParameterValue, 'Say what is in a dead-letter queue and why, and hand its rows out')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Hold files against the store: what is missing, different, or in the store alone')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Say whether the store, its tables, the dead letters and a running instance are well')
            [CompletionResult]::new('runs', 'runs', [CompletionResultType]::ParameterValue, 'The history of loads: when, what, how many rows, how it ended')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'The tables: print their DDL, create them, compare them')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Completions of the command line for a shell, on stdout')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'The manual: a page on stdout, or all of them into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mdsctl;load' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--dataset', '--dataset', [CompletionResultType]::ParameterName, 'What the rows are (else detected from the columns)')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'How a vendor''s files are read: a layout by name, none, or help for the list (else by the signs of the file)')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Load into this table; without --dataset its columns and key are the table''s own')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'Short for --set vendor=V')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Short for --set symbol=S')
            [CompletionResult]::new('--timeframe', '--timeframe', [CompletionResultType]::ParameterName, 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)')
            [CompletionResult]::new('--name-pattern', '--name-pattern', [CompletionResultType]::ParameterName, 'Columns from the name of the file, for instance ''{symbol}-{timeframe}-{date}''')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give a column the same value in every row')
            [CompletionResult]::new('--timestamp-unit', '--timestamp-unit', [CompletionResultType]::ParameterName, 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)')
            [CompletionResult]::new('--timezone', '--timezone', [CompletionResultType]::ParameterName, 'Zone of times that name none, for instance America/New_York (else UTC)')
            [CompletionResult]::new('--date-order', '--date-order', [CompletionResultType]::ParameterName, 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)')
            [CompletionResult]::new('--time-format', '--time-format', [CompletionResultType]::ParameterName, 'How times are written, as strftime has it, for instance ''%d.%m.%Y %H:%M'' (else found out)')
            [CompletionResult]::new('--decimal', '--decimal', [CompletionResultType]::ParameterName, 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)')
            [CompletionResult]::new('--scale', '--scale', [CompletionResultType]::ParameterName, 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \N and -)')
            [CompletionResult]::new('--on-conflict', '--on-conflict', [CompletionResultType]::ParameterName, 'What happens to a row whose key is in the table already, or came before in the input')
            [CompletionResult]::new('--quality', '--quality', [CompletionResultType]::ParameterName, 'What to do with implausible rows (high below low, negative sizes, times in the future)')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the input (else told by its bytes, then by its name)')
            [CompletionResult]::new('--encoding', '--encoding', [CompletionResultType]::ParameterName, 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis')
            [CompletionResult]::new('--delimiter', '--delimiter', [CompletionResultType]::ParameterName, 'Delimiter of CSV (else deduced from the header)')
            [CompletionResult]::new('--unpivot', '--unpivot', [CompletionResultType]::ParameterName, 'Make rows of columns: ''{option_type}_{}'' makes two of a row with call_bid and put_bid')
            [CompletionResult]::new('--columns', '--columns', [CompletionResultType]::ParameterName, 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)')
            [CompletionResult]::new('--rows-at', '--rows-at', [CompletionResultType]::ParameterName, 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)')
            [CompletionResult]::new('--skip-lines', '--skip-lines', [CompletionResultType]::ParameterName, 'Lines to skip before the header')
            [CompletionResult]::new('--comment', '--comment', [CompletionResultType]::ParameterName, 'Pass over lines that begin with C, wherever they stand')
            [CompletionResult]::new('--dlq', '--dlq', [CompletionResultType]::ParameterName, 'Dead-letter queue: a file, a prefix in an object store, nats://HOST/SUBJECT or kafka://HOST/TOPIC (else `.dlq/<dataset>.ndjson`)')
            [CompletionResult]::new('--dlq-max-bytes', '--dlq-max-bytes', [CompletionResultType]::ParameterName, 'Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)')
            [CompletionResult]::new('--max-rejects', '--max-rejects', [CompletionResultType]::ParameterName, 'Stop when more rows than this are rejected, or a larger share of the rows read')
            [CompletionResult]::new('--source-id', '--source-id', [CompletionResultType]::ParameterName, 'Name by which a later run knows this input again; needed to resume a pipe')
            [CompletionResult]::new('--share', '--share', [CompletionResultType]::ParameterName, 'Share these inputs with all loaders that are given the same job, on any number of machines')
            [CompletionResult]::new('--lease', '--lease', [CompletionResultType]::ParameterName, 'Silence after which other loaders of a job take over what a loader has claimed')
            [CompletionResult]::new('--part-size', '--part-size', [CompletionResultType]::ParameterName, 'Size of the parts that a job is claimed in (else 64M, less where it has few files)')
            [CompletionResult]::new('--bulk', '--bulk', [CompletionResultType]::ParameterName, 'How rows get into a table that is empty: around its key, which is then built over all of them at once')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16')
            [CompletionResult]::new('--capacity', '--capacity', [CompletionResultType]::ParameterName, 'Rows that the queue holds')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Most rows in one transaction')
            [CompletionResult]::new('--flush-interval', '--flush-interval', [CompletionResultType]::ParameterName, 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)')
            [CompletionResult]::new('--rate-limit', '--rate-limit', [CompletionResultType]::ParameterName, 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)')
            [CompletionResult]::new('--high-watermark', '--high-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which producers are told to slow down (80 % of the capacity)')
            [CompletionResult]::new('--low-watermark', '--low-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which they may go on (50 % of the capacity)')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'When the queue is full')
            [CompletionResult]::new('--retry-max-attempts', '--retry-max-attempts', [CompletionResultType]::ParameterName, 'Attempts at a write before the circuit opens')
            [CompletionResult]::new('--retry-initial-backoff', '--retry-initial-backoff', [CompletionResultType]::ParameterName, 'Wait before the second attempt (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-max-backoff', '--retry-max-backoff', [CompletionResultType]::ParameterName, 'Longest wait between attempts (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-multiplier', '--retry-multiplier', [CompletionResultType]::ParameterName, 'Factor from one wait to the next')
            [CompletionResult]::new('--retry-jitter', '--retry-jitter', [CompletionResultType]::ParameterName, 'The Python system''s variable speaks of jitter, our flag of its absence')
            [CompletionResult]::new('--cb-failure-threshold', '--cb-failure-threshold', [CompletionResultType]::ParameterName, 'Failures in a row that open the circuit')
            [CompletionResult]::new('--cb-half-open-after', '--cb-half-open-after', [CompletionResultType]::ParameterName, 'Time from the opening of the circuit to the first probe')
            [CompletionResult]::new('--max-outage', '--max-outage', [CompletionResultType]::ParameterName, 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)')
            [CompletionResult]::new('--write-timeout', '--write-timeout', [CompletionResultType]::ParameterName, 'Longest time that the store may take to answer one statement')
            [CompletionResult]::new('--metrics-textfile', '--metrics-textfile', [CompletionResultType]::ParameterName, 'Keep Prometheus metrics of the run in this file, for node_exporter''s textfile collector')
            [CompletionResult]::new('--coord-id', '--coord-id', [CompletionResultType]::ParameterName, 'Label coord_id of the metrics (else the name of the dataset or table)')
            [CompletionResult]::new('--otlp', '--otlp', [CompletionResultType]::ParameterName, 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST')
            [CompletionResult]::new('--metrics-listen', '--metrics-listen', [CompletionResultType]::ParameterName, 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure')
            [CompletionResult]::new('--metrics-token', '--metrics-token', [CompletionResultType]::ParameterName, 'Answer only who has this token (Authorization: Bearer TOKEN)')
            [CompletionResult]::new('--feedback-url', '--feedback-url', [CompletionResultType]::ParameterName, 'POST each change of the queue''s level (ok, soft, hard) as JSON to this URL')
            [CompletionResult]::new('--feedback-broadcast', '--feedback-broadcast', [CompletionResultType]::ParameterName, 'Whether to send it')
            [CompletionResult]::new('--feedback-timeout', '--feedback-timeout', [CompletionResultType]::ParameterName, 'Longest time that an attempt at sending it may take')
            [CompletionResult]::new('--feedback-max-retries', '--feedback-max-retries', [CompletionResultType]::ParameterName, 'Further attempts at sending it, before there is one every 30 seconds')
            [CompletionResult]::new('--feedback-backoff', '--feedback-backoff', [CompletionResultType]::ParameterName, 'Wait before the first further attempt; it doubles')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--force-set', '--force-set', [CompletionResultType]::ParameterName, 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same')
            [CompletionResult]::new('--decimal-comma', '--decimal-comma', [CompletionResultType]::ParameterName, 'Short for --decimal ,')
            [CompletionResult]::new('--keep-case', '--keep-case', [CompletionResultType]::ParameterName, 'Leave symbols in the case that they have')
            [CompletionResult]::new('--exact', '--exact', [CompletionResultType]::ParameterName, 'Reject values with more decimals than their column, rather than round them')
            [CompletionResult]::new('--round', '--round', [CompletionResultType]::ParameterName, 'Round fractions for columns of whole numbers, rather than reject them')
            [CompletionResult]::new('--no-header', '--no-header', [CompletionResultType]::ParameterName, 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Look into the folders of folders')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Read, map and check everything; write nothing, neither to the store nor to the queue')
            [CompletionResult]::new('--resume', '--resume', [CompletionResultType]::ParameterName, 'Go on where an interrupted load of the same inputs stopped')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Load into a table without a key what an earlier run has loaded into it already')
            [CompletionResult]::new('--compress-after-load', '--compress-after-load', [CompletionResultType]::ParameterName, 'Behind the last row, compress the chunks of a hypertable that this load has written into')
            [CompletionResult]::new('--no-retry-jitter', '--no-retry-jitter', [CompletionResultType]::ParameterName, 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait for the store also when it is away at the start')
            [CompletionResult]::new('--metrics-public', '--metrics-public', [CompletionResultType]::ParameterName, 'Answer anyone, also on an address that other machines reach')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;tail' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Where to begin: at the start, at the end, or where an earlier tail has come to (else the start)')
            [CompletionResult]::new('--checkpoint', '--checkpoint', [CompletionResultType]::ParameterName, 'Keep the places in this file (else `.mdsctl/tail-<hash of inputs and table>.json`)')
            [CompletionResult]::new('--poll', '--poll', [CompletionResultType]::ParameterName, 'Time between two looks where the system tells of no changes')
            [CompletionResult]::new('--idle-exit', '--idle-exit', [CompletionResultType]::ParameterName, 'End when nothing has come for so long (else never)')
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--dataset', '--dataset', [CompletionResultType]::ParameterName, 'What the rows are (else detected from the columns)')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'How a vendor''s files are read: a layout by name, none, or help for the list (else by the signs of the file)')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Load into this table; without --dataset its columns and key are the table''s own')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'Short for --set vendor=V')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Short for --set symbol=S')
            [CompletionResult]::new('--timeframe', '--timeframe', [CompletionResultType]::ParameterName, 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)')
            [CompletionResult]::new('--name-pattern', '--name-pattern', [CompletionResultType]::ParameterName, 'Columns from the name of the file, for instance ''{symbol}-{timeframe}-{date}''')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give a column the same value in every row')
            [CompletionResult]::new('--timestamp-unit', '--timestamp-unit', [CompletionResultType]::ParameterName, 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)')
            [CompletionResult]::new('--timezone', '--timezone', [CompletionResultType]::ParameterName, 'Zone of times that name none, for instance America/New_York (else UTC)')
            [CompletionResult]::new('--date-order', '--date-order', [CompletionResultType]::ParameterName, 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)')
            [CompletionResult]::new('--time-format', '--time-format', [CompletionResultType]::ParameterName, 'How times are written, as strftime has it, for instance ''%d.%m.%Y %H:%M'' (else found out)')
            [CompletionResult]::new('--decimal', '--decimal', [CompletionResultType]::ParameterName, 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)')
            [CompletionResult]::new('--scale', '--scale', [CompletionResultType]::ParameterName, 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \N and -)')
            [CompletionResult]::new('--on-conflict', '--on-conflict', [CompletionResultType]::ParameterName, 'What happens to a row whose key is in the table already, or came before in the input')
            [CompletionResult]::new('--quality', '--quality', [CompletionResultType]::ParameterName, 'What to do with implausible rows (high below low, negative sizes, times in the future)')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the input (else told by its bytes, then by its name)')
            [CompletionResult]::new('--encoding', '--encoding', [CompletionResultType]::ParameterName, 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis')
            [CompletionResult]::new('--delimiter', '--delimiter', [CompletionResultType]::ParameterName, 'Delimiter of CSV (else deduced from the header)')
            [CompletionResult]::new('--unpivot', '--unpivot', [CompletionResultType]::ParameterName, 'Make rows of columns: ''{option_type}_{}'' makes two of a row with call_bid and put_bid')
            [CompletionResult]::new('--columns', '--columns', [CompletionResultType]::ParameterName, 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)')
            [CompletionResult]::new('--rows-at', '--rows-at', [CompletionResultType]::ParameterName, 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)')
            [CompletionResult]::new('--skip-lines', '--skip-lines', [CompletionResultType]::ParameterName, 'Lines to skip before the header')
            [CompletionResult]::new('--comment', '--comment', [CompletionResultType]::ParameterName, 'Pass over lines that begin with C, wherever they stand')
            [CompletionResult]::new('--dlq', '--dlq', [CompletionResultType]::ParameterName, 'Dead-letter queue: a file, a prefix in an object store, nats://HOST/SUBJECT or kafka://HOST/TOPIC (else `.dlq/<dataset>.ndjson`)')
            [CompletionResult]::new('--dlq-max-bytes', '--dlq-max-bytes', [CompletionResultType]::ParameterName, 'Begin a new queue file when this one would grow beyond SIZE (for instance 100M or 1G)')
            [CompletionResult]::new('--max-rejects', '--max-rejects', [CompletionResultType]::ParameterName, 'Stop when more rows than this are rejected, or a larger share of the rows read')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16')
            [CompletionResult]::new('--capacity', '--capacity', [CompletionResultType]::ParameterName, 'Rows that the queue holds')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Most rows in one transaction')
            [CompletionResult]::new('--flush-interval', '--flush-interval', [CompletionResultType]::ParameterName, 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)')
            [CompletionResult]::new('--rate-limit', '--rate-limit', [CompletionResultType]::ParameterName, 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)')
            [CompletionResult]::new('--high-watermark', '--high-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which producers are told to slow down (80 % of the capacity)')
            [CompletionResult]::new('--low-watermark', '--low-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which they may go on (50 % of the capacity)')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'When the queue is full')
            [CompletionResult]::new('--retry-max-attempts', '--retry-max-attempts', [CompletionResultType]::ParameterName, 'Attempts at a write before the circuit opens')
            [CompletionResult]::new('--retry-initial-backoff', '--retry-initial-backoff', [CompletionResultType]::ParameterName, 'Wait before the second attempt (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-max-backoff', '--retry-max-backoff', [CompletionResultType]::ParameterName, 'Longest wait between attempts (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-multiplier', '--retry-multiplier', [CompletionResultType]::ParameterName, 'Factor from one wait to the next')
            [CompletionResult]::new('--retry-jitter', '--retry-jitter', [CompletionResultType]::ParameterName, 'The Python system''s variable speaks of jitter, our flag of its absence')
            [CompletionResult]::new('--cb-failure-threshold', '--cb-failure-threshold', [CompletionResultType]::ParameterName, 'Failures in a row that open the circuit')
            [CompletionResult]::new('--cb-half-open-after', '--cb-half-open-after', [CompletionResultType]::ParameterName, 'Time from the opening of the circuit to the first probe')
            [CompletionResult]::new('--max-outage', '--max-outage', [CompletionResultType]::ParameterName, 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)')
            [CompletionResult]::new('--write-timeout', '--write-timeout', [CompletionResultType]::ParameterName, 'Longest time that the store may take to answer one statement')
            [CompletionResult]::new('--metrics-textfile', '--metrics-textfile', [CompletionResultType]::ParameterName, 'Keep Prometheus metrics of the run in this file, for node_exporter''s textfile collector')
            [CompletionResult]::new('--coord-id', '--coord-id', [CompletionResultType]::ParameterName, 'Label coord_id of the metrics (else the name of the dataset or table)')
            [CompletionResult]::new('--otlp', '--otlp', [CompletionResultType]::ParameterName, 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST')
            [CompletionResult]::new('--metrics-listen', '--metrics-listen', [CompletionResultType]::ParameterName, 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure')
            [CompletionResult]::new('--metrics-token', '--metrics-token', [CompletionResultType]::ParameterName, 'Answer only who has this token (Authorization: Bearer TOKEN)')
            [CompletionResult]::new('--feedback-url', '--feedback-url', [CompletionResultType]::ParameterName, 'POST each change of the queue''s level (ok, soft, hard) as JSON to this URL')
            [CompletionResult]::new('--feedback-broadcast', '--feedback-broadcast', [CompletionResultType]::ParameterName, 'Whether to send it')
            [CompletionResult]::new('--feedback-timeout', '--feedback-timeout', [CompletionResultType]::ParameterName, 'Longest time that an attempt at sending it may take')
            [CompletionResult]::new('--feedback-max-retries', '--feedback-max-retries', [CompletionResultType]::ParameterName, 'Further attempts at sending it, before there is one every 30 seconds')
            [CompletionResult]::new('--feedback-backoff', '--feedback-backoff', [CompletionResultType]::ParameterName, 'Wait before the first further attempt; it doubles')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--force-set', '--force-set', [CompletionResultType]::ParameterName, 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same')
            [CompletionResult]::new('--decimal-comma', '--decimal-comma', [CompletionResultType]::ParameterName, 'Short for --decimal ,')
            [CompletionResult]::new('--keep-case', '--keep-case', [CompletionResultType]::ParameterName, 'Leave symbols in the case that they have')
            [CompletionResult]::new('--exact', '--exact', [CompletionResultType]::ParameterName, 'Reject values with more decimals than their column, rather than round them')
            [CompletionResult]::new('--round', '--round', [CompletionResultType]::ParameterName, 'Round fractions for columns of whole numbers, rather than reject them')
            [CompletionResult]::new('--no-header', '--no-header', [CompletionResultType]::ParameterName, 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Look into the folders of folders')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Read, map and check everything; write nothing, neither to the store nor to the queue')
            [CompletionResult]::new('--no-retry-jitter', '--no-retry-jitter', [CompletionResultType]::ParameterName, 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait for the store also when it is away at the start')
            [CompletionResult]::new('--metrics-public', '--metrics-public', [CompletionResultType]::ParameterName, 'Answer anyone, also on an address that other machines reach')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;replay-dlq' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--where', '--where', [CompletionResultType]::ParameterName, 'Rows with that value in a field of the record''s metadata or of their own')
            [CompletionResult]::new('--code', '--code', [CompletionResultType]::ParameterName, 'Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number')
            [CompletionResult]::new('--stage', '--stage', [CompletionResultType]::ParameterName, 'Rows that failed there: decode, validate, write, overflow or abort')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Rows that failed last before that time')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Rows of that symbol')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'So many rows at most (the newest ones, where rows are handed out or replayed)')
            [CompletionResult]::new('--dataset', '--dataset', [CompletionResultType]::ParameterName, 'What the rows are (else as their records say, or detected)')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Load into this table (else the one that they were meant for)')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give a column the same value in every row')
            [CompletionResult]::new('--timestamp-unit', '--timestamp-unit', [CompletionResultType]::ParameterName, 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)')
            [CompletionResult]::new('--timezone', '--timezone', [CompletionResultType]::ParameterName, 'Zone of times that name none, for instance America/New_York (else UTC)')
            [CompletionResult]::new('--date-order', '--date-order', [CompletionResultType]::ParameterName, 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)')
            [CompletionResult]::new('--time-format', '--time-format', [CompletionResultType]::ParameterName, 'How times are written, as strftime has it, for instance ''%d.%m.%Y %H:%M'' (else found out)')
            [CompletionResult]::new('--decimal', '--decimal', [CompletionResultType]::ParameterName, 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)')
            [CompletionResult]::new('--scale', '--scale', [CompletionResultType]::ParameterName, 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \N and -)')
            [CompletionResult]::new('--on-conflict', '--on-conflict', [CompletionResultType]::ParameterName, 'What happens to a row whose key is in the table already, or came before in the input')
            [CompletionResult]::new('--quality', '--quality', [CompletionResultType]::ParameterName, 'What to do with implausible rows (high below low, negative sizes, times in the future)')
            [CompletionResult]::new('--max-attempts', '--max-attempts', [CompletionResultType]::ParameterName, 'Times that a row is tried before it is parked [default: 5]')
            [CompletionResult]::new('--archive', '--archive', [CompletionResultType]::ParameterName, 'Keep what was loaded, in a file in this directory')
            [CompletionResult]::new('--dlq-max-bytes', '--dlq-max-bytes', [CompletionResultType]::ParameterName, 'Size at which the queue begins another file, for instance 100M')
            [CompletionResult]::new('--workers', '--workers', [CompletionResultType]::ParameterName, 'Workers, each with a connection of its own; auto: as many as the store is worth, 1 to 16')
            [CompletionResult]::new('--capacity', '--capacity', [CompletionResultType]::ParameterName, 'Rows that the queue holds')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'Most rows in one transaction')
            [CompletionResult]::new('--flush-interval', '--flush-interval', [CompletionResultType]::ParameterName, 'Longest time that a row waits for others to fill its batch (0: an idle worker takes what is there)')
            [CompletionResult]::new('--rate-limit', '--rate-limit', [CompletionResultType]::ParameterName, 'Most rows a second that are handed to the store, as in 5000 or 5000/s (else as many as it takes)')
            [CompletionResult]::new('--high-watermark', '--high-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which producers are told to slow down (80 % of the capacity)')
            [CompletionResult]::new('--low-watermark', '--low-watermark', [CompletionResultType]::ParameterName, 'Queue depth at which they may go on (50 % of the capacity)')
            [CompletionResult]::new('--overflow', '--overflow', [CompletionResultType]::ParameterName, 'When the queue is full')
            [CompletionResult]::new('--retry-max-attempts', '--retry-max-attempts', [CompletionResultType]::ParameterName, 'Attempts at a write before the circuit opens')
            [CompletionResult]::new('--retry-initial-backoff', '--retry-initial-backoff', [CompletionResultType]::ParameterName, 'Wait before the second attempt (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-max-backoff', '--retry-max-backoff', [CompletionResultType]::ParameterName, 'Longest wait between attempts (a bare number is milliseconds)')
            [CompletionResult]::new('--retry-multiplier', '--retry-multiplier', [CompletionResultType]::ParameterName, 'Factor from one wait to the next')
            [CompletionResult]::new('--retry-jitter', '--retry-jitter', [CompletionResultType]::ParameterName, 'The Python system''s variable speaks of jitter, our flag of its absence')
            [CompletionResult]::new('--cb-failure-threshold', '--cb-failure-threshold', [CompletionResultType]::ParameterName, 'Failures in a row that open the circuit')
            [CompletionResult]::new('--cb-half-open-after', '--cb-half-open-after', [CompletionResultType]::ParameterName, 'Time from the opening of the circuit to the first probe')
            [CompletionResult]::new('--max-outage', '--max-outage', [CompletionResultType]::ParameterName, 'Give up when the store has been away for so long (for ever on a terminal, 15m elsewhere)')
            [CompletionResult]::new('--write-timeout', '--write-timeout', [CompletionResultType]::ParameterName, 'Longest time that the store may take to answer one statement')
            [CompletionResult]::new('--metrics-textfile', '--metrics-textfile', [CompletionResultType]::ParameterName, 'Keep Prometheus metrics of the run in this file, for node_exporter''s textfile collector')
            [CompletionResult]::new('--coord-id', '--coord-id', [CompletionResultType]::ParameterName, 'Label coord_id of the metrics (else the name of the dataset or table)')
            [CompletionResult]::new('--otlp', '--otlp', [CompletionResultType]::ParameterName, 'Send traces of the run to an OpenTelemetry collector (OTLP over HTTP), as http://HOST:4318 or https://HOST')
            [CompletionResult]::new('--metrics-listen', '--metrics-listen', [CompletionResultType]::ParameterName, 'Answer over HTTP while the run goes on: a live page at /, and /metrics, /healthz, /readyz, /status, /backpressure')
            [CompletionResult]::new('--metrics-token', '--metrics-token', [CompletionResultType]::ParameterName, 'Answer only who has this token (Authorization: Bearer TOKEN)')
            [CompletionResult]::new('--feedback-url', '--feedback-url', [CompletionResultType]::ParameterName, 'POST each change of the queue''s level (ok, soft, hard) as JSON to this URL')
            [CompletionResult]::new('--feedback-broadcast', '--feedback-broadcast', [CompletionResultType]::ParameterName, 'Whether to send it')
            [CompletionResult]::new('--feedback-timeout', '--feedback-timeout', [CompletionResultType]::ParameterName, 'Longest time that an attempt at sending it may take')
            [CompletionResult]::new('--feedback-max-retries', '--feedback-max-retries', [CompletionResultType]::ParameterName, 'Further attempts at sending it, before there is one every 30 seconds')
            [CompletionResult]::new('--feedback-backoff', '--feedback-backoff', [CompletionResultType]::ParameterName, 'Wait before the first further attempt; it doubles')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--decimal-comma', '--decimal-comma', [CompletionResultType]::ParameterName, 'Short for --decimal ,')
            [CompletionResult]::new('--keep-case', '--keep-case', [CompletionResultType]::ParameterName, 'Leave symbols in the case that they have')
            [CompletionResult]::new('--exact', '--exact', [CompletionResultType]::ParameterName, 'Reject values with more decimals than their column, rather than round them')
            [CompletionResult]::new('--round', '--round', [CompletionResultType]::ParameterName, 'Round fractions for columns of whole numbers, rather than reject them')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write rows also over ones that were stored after they failed, and take over a queue that another machine has claimed')
            [CompletionResult]::new('--discard', '--discard', [CompletionResultType]::ParameterName, 'Take the rows out of the queue without loading them')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Read, map and check everything; write nothing and leave the queue as it is')
            [CompletionResult]::new('--no-retry-jitter', '--no-retry-jitter', [CompletionResultType]::ParameterName, 'Wait for exactly the computed time (MDS_RETRY_JITTER=false says the same)')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait for the store also when it is away at the start')
            [CompletionResult]::new('--metrics-public', '--metrics-public', [CompletionResultType]::ParameterName, 'Answer anyone, also on an address that other machines reach')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;inspect-dlq' {
            [CompletionResult]::new('--by', '--by', [CompletionResultType]::ParameterName, 'What the groups are made by; several, with commas, for their combinations')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'table, json (the same for programs), or the rows alone as csv or ndjson')
            [CompletionResult]::new('--samples', '--samples', [CompletionResultType]::ParameterName, 'Rows that are shown of each group')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Write the rows alone to this file (.csv, .ndjson or .parquet)')
            [CompletionResult]::new('--where', '--where', [CompletionResultType]::ParameterName, 'Rows with that value in a field of the record''s metadata or of their own')
            [CompletionResult]::new('--code', '--code', [CompletionResultType]::ParameterName, 'Rows that failed with that code: a SQLSTATE, or one of ours such as bad_number')
            [CompletionResult]::new('--stage', '--stage', [CompletionResultType]::ParameterName, 'Rows that failed there: decode, validate, write, overflow or abort')
            [CompletionResult]::new('--since', '--since', [CompletionResultType]::ParameterName, 'Rows that failed last at that time or later: 2024-11-23, 2024-11-23T08:00:00Z, or 2h or 7d ago')
            [CompletionResult]::new('--until', '--until', [CompletionResultType]::ParameterName, 'Rows that failed last before that time')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Rows of that symbol')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'So many rows at most (the newest ones, where rows are handed out or replayed)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over a file that is there')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Print records as they come, also where the queue is renamed by a replay or begun anew')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;verify' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--dataset', '--dataset', [CompletionResultType]::ParameterName, 'What the rows are (else detected from the columns)')
            [CompletionResult]::new('--layout', '--layout', [CompletionResultType]::ParameterName, 'How a vendor''s files are read: a layout by name, none, or help for the list (else by the signs of the file)')
            [CompletionResult]::new('--table', '--table', [CompletionResultType]::ParameterName, 'Load into this table; without --dataset its columns and key are the table''s own')
            [CompletionResult]::new('--vendor', '--vendor', [CompletionResultType]::ParameterName, 'Short for --set vendor=V')
            [CompletionResult]::new('--symbol', '--symbol', [CompletionResultType]::ParameterName, 'Short for --set symbol=S')
            [CompletionResult]::new('--timeframe', '--timeframe', [CompletionResultType]::ParameterName, 'Short for --set timeframe=T (else from the columns, or from the spacing of the rows)')
            [CompletionResult]::new('--name-pattern', '--name-pattern', [CompletionResultType]::ParameterName, 'Columns from the name of the file, for instance ''{symbol}-{timeframe}-{date}''')
            [CompletionResult]::new('--map', '--map', [CompletionResultType]::ParameterName, 'Take column TARGET from the column or field SOURCE; a time may be made of two, as in ts=DATE+TIME')
            [CompletionResult]::new('--set', '--set', [CompletionResultType]::ParameterName, 'Give a column the same value in every row')
            [CompletionResult]::new('--timestamp-unit', '--timestamp-unit', [CompletionResultType]::ParameterName, 'What numbers are as times (else an epoch in s, ms, us or ns or a date YYYYMMDD, deduced and held to)')
            [CompletionResult]::new('--timezone', '--timezone', [CompletionResultType]::ParameterName, 'Zone of times that name none, for instance America/New_York (else UTC)')
            [CompletionResult]::new('--date-order', '--date-order', [CompletionResultType]::ParameterName, 'Order of dates such as 10/9/2020 and 24/01/15 (else deduced, where a row settles it)')
            [CompletionResult]::new('--time-format', '--time-format', [CompletionResultType]::ParameterName, 'How times are written, as strftime has it, for instance ''%d.%m.%Y %H:%M'' (else found out)')
            [CompletionResult]::new('--decimal', '--decimal', [CompletionResultType]::ParameterName, 'What stands before the decimals of a number, `.` or `,` (else judged by all numbers of the input)')
            [CompletionResult]::new('--scale', '--scale', [CompletionResultType]::ParameterName, 'Multiply the numbers that the input has in a column, exactly, as in close=0.0001 or price=1e-9')
            [CompletionResult]::new('--null', '--null', [CompletionResultType]::ParameterName, 'A further text that stands for null, in text too (in numbers and times beside empty, null, NaN, inf, None, \N and -)')
            [CompletionResult]::new('--on-conflict', '--on-conflict', [CompletionResultType]::ParameterName, 'What happens to a row whose key is in the table already, or came before in the input')
            [CompletionResult]::new('--quality', '--quality', [CompletionResultType]::ParameterName, 'What to do with implausible rows (high below low, negative sizes, times in the future)')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'Format of the input (else told by its bytes, then by its name)')
            [CompletionResult]::new('--encoding', '--encoding', [CompletionResultType]::ParameterName, 'Encoding of the text, such as windows-1252, latin-1, utf-16le or shift_jis')
            [CompletionResult]::new('--delimiter', '--delimiter', [CompletionResultType]::ParameterName, 'Delimiter of CSV (else deduced from the header)')
            [CompletionResult]::new('--unpivot', '--unpivot', [CompletionResultType]::ParameterName, 'Make rows of columns: ''{option_type}_{}'' makes two of a row with call_bid and put_bid')
            [CompletionResult]::new('--columns', '--columns', [CompletionResultType]::ParameterName, 'Names of the columns, in their order, where no line holds them (as of arrays in JSON)')
            [CompletionResult]::new('--rows-at', '--rows-at', [CompletionResultType]::ParameterName, 'Where the rows of a JSON document are, for instance results or data.bars (else they are found)')
            [CompletionResult]::new('--skip-lines', '--skip-lines', [CompletionResultType]::ParameterName, 'Lines to skip before the header')
            [CompletionResult]::new('--comment', '--comment', [CompletionResultType]::ParameterName, 'Pass over lines that begin with C, wherever they stand')
            [CompletionResult]::new('--sample', '--sample', [CompletionResultType]::ParameterName, 'Compare only so many of a hundred days of each symbol, picked by chance, always the same')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Write the rows that differ into this file, one JSON object a line: the key, the values of both sides, the place in the input')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--force-set', '--force-set', [CompletionResultType]::ParameterName, 'Let --set, --vendor, --symbol and --timeframe go over a column of the input that means the same')
            [CompletionResult]::new('--decimal-comma', '--decimal-comma', [CompletionResultType]::ParameterName, 'Short for --decimal ,')
            [CompletionResult]::new('--keep-case', '--keep-case', [CompletionResultType]::ParameterName, 'Leave symbols in the case that they have')
            [CompletionResult]::new('--exact', '--exact', [CompletionResultType]::ParameterName, 'Reject values with more decimals than their column, rather than round them')
            [CompletionResult]::new('--round', '--round', [CompletionResultType]::ParameterName, 'Round fractions for columns of whole numbers, rather than reject them')
            [CompletionResult]::new('--no-header', '--no-header', [CompletionResultType]::ParameterName, 'The CSV has no header; its columns are named 1, 2, 3, … and every line is a row')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Look into the folders of folders')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Write over the file of --export')
            [CompletionResult]::new('--repair', '--repair', [CompletionResultType]::ParameterName, 'Load the inputs again where rows are missing or different: what is there as it is stays unchanged')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;health' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Longest time that all of it may take')
            [CompletionResult]::new('--warn-latency', '--warn-latency', [CompletionResultType]::ParameterName, 'A warning where the store takes so long to answer')
            [CompletionResult]::new('--crit-latency', '--crit-latency', [CompletionResultType]::ParameterName, 'Critical where the store takes so long to answer')
            [CompletionResult]::new('--dlq', '--dlq', [CompletionResultType]::ParameterName, 'A dead-letter queue, its address, or a directory of them (may be given more than once; else .dlq)')
            [CompletionResult]::new('--dlq-warn', '--dlq-warn', [CompletionResultType]::ParameterName, 'So many dead rows are a warning')
            [CompletionResult]::new('--dlq-crit', '--dlq-crit', [CompletionResultType]::ParameterName, 'So many dead rows are critical')
            [CompletionResult]::new('--dlq-age-warn', '--dlq-age-warn', [CompletionResultType]::ParameterName, 'A row that failed first so long ago is a warning')
            [CompletionResult]::new('--dlq-age-crit', '--dlq-age-crit', [CompletionResultType]::ParameterName, 'A row that failed first so long ago is critical')
            [CompletionResult]::new('--url', '--url', [CompletionResultType]::ParameterName, 'A running instance, by the address of its --metrics-listen; may be given more than once, and the worst counts')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'The token that it wants; the same for all of them')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;runs' {
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'Show so many, the newest first')
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;schema' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the DDL')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Create the tables, or bring them up to date; does nothing where all is well')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Compare the tables with what they should be')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mdsctl;schema;show' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--chunk', '--chunk', [CompletionResultType]::ParameterName, 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)')
            [CompletionResult]::new('--compress-after', '--compress-after', [CompletionResultType]::ParameterName, 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)')
            [CompletionResult]::new('--retention', '--retention', [CompletionResultType]::ParameterName, 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)')
            [CompletionResult]::new('--distribute', '--distribute', [CompletionResultType]::ParameterName, 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol')
            [CompletionResult]::new('--append-only', '--append-only', [CompletionResultType]::ParameterName, 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them')
            [CompletionResult]::new('--grant', '--grant', [CompletionResultType]::ParameterName, 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--rls', '--rls', [CompletionResultType]::ParameterName, 'With row-level security by tenant')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;schema;apply' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--chunk', '--chunk', [CompletionResultType]::ParameterName, 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)')
            [CompletionResult]::new('--compress-after', '--compress-after', [CompletionResultType]::ParameterName, 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)')
            [CompletionResult]::new('--retention', '--retention', [CompletionResultType]::ParameterName, 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)')
            [CompletionResult]::new('--distribute', '--distribute', [CompletionResultType]::ParameterName, 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol')
            [CompletionResult]::new('--append-only', '--append-only', [CompletionResultType]::ParameterName, 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them')
            [CompletionResult]::new('--grant', '--grant', [CompletionResultType]::ParameterName, 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--rls', '--rls', [CompletionResultType]::ParameterName, 'With row-level security by tenant')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;schema;check' {
            [CompletionResult]::new('--dsn', '--dsn', [CompletionResultType]::ParameterName, 'Where rows go: postgres://…, a libpq string (host=… dbname=…) or sqlite:FILE')
            [CompletionResult]::new('--tenant', '--tenant', [CompletionResultType]::ParameterName, 'Tenant of the rows')
            [CompletionResult]::new('--chunk', '--chunk', [CompletionResultType]::ParameterName, 'TimescaleDB: what a chunk spans (else ticks and quotes 1d, bars and options 7d, news 30d, fundamentals 90d)')
            [CompletionResult]::new('--compress-after', '--compress-after', [CompletionResultType]::ParameterName, 'TimescaleDB: compress chunks older than this, or never (else ticks and quotes 7d, bars and options 30d, news 90d, fundamentals 365d)')
            [CompletionResult]::new('--retention', '--retention', [CompletionResultType]::ParameterName, 'TimescaleDB: drop chunks older than this, or never (else nothing is dropped)')
            [CompletionResult]::new('--distribute', '--distribute', [CompletionResultType]::ParameterName, 'Citus: spread the tables over the nodes by this column of their keys, mostly symbol')
            [CompletionResult]::new('--append-only', '--append-only', [CompletionResultType]::ParameterName, 'Make the tables of these datasets without a key, such as ticks,quotes: rows are only added to them')
            [CompletionResult]::new('--grant', '--grant', [CompletionResultType]::ParameterName, 'Give this role what load, tail, replay-dlq, runs and health need (may be given more than once)')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('--rls', '--rls', [CompletionResultType]::ParameterName, 'With row-level security by tenant')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;schema;help' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the DDL')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Create the tables, or bring them up to date; does nothing where all is well')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Compare the tables with what they should be')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mdsctl;schema;help;show' {
            break
        }
        'mdsctl;schema;help;apply' {
            break
        }
        'mdsctl;schema;help;check' {
            break
        }
        'mdsctl;schema;help;help' {
            break
        }
        'mdsctl;completions' {
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;man' {
            [CompletionResult]::new('--dir', '--dir', [CompletionResultType]::ParameterName, 'Write all pages into this directory, which is made where it is missing')
            [CompletionResult]::new('--config', '--config', [CompletionResultType]::ParameterName, 'Configuration file (TOML, with the long names of the flags)')
            [CompletionResult]::new('--log-format', '--log-format', [CompletionResultType]::ParameterName, 'Form of log lines on stderr')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'Colours')
            [CompletionResult]::new('--progress', '--progress', [CompletionResultType]::ParameterName, 'How progress is shown on stderr')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say more; twice for all')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say only what went wrong')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print the result as one JSON object on stdout')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'mdsctl;help' {
            [CompletionResult]::new('load', 'load', [CompletionResultType]::ParameterValue, 'Load files, directories, globs, objects of a store or stdin (-)')
            [CompletionResult]::new('tail', 'tail', [CompletionResultType]::ParameterValue, 'Follow growing files, globs, streams of a broker or a pipe (-) and keep loading')
            [CompletionResult]::new('replay-dlq', 'replay-dlq', [CompletionResultType]::ParameterValue, 'Put the rows of a dead-letter queue through the engine again')
            [CompletionResult]::new('inspect-dlq', 'inspect-dlq', [CompletionResultType]::ParameterValue, 'Say what is in a dead-letter queue and why, and hand its rows out')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Hold files against the store: what is missing, different, or in the store alone')
            [CompletionResult]::new('health', 'health', [CompletionResultType]::ParameterValue, 'Say whether the store, its tables, the dead letters and a running instance are well')
            [CompletionResult]::new('runs', 'runs', [CompletionResultType]::ParameterValue, 'The history of loads: when, what, how many rows, how it ended')
            [CompletionResult]::new('schema', 'schema', [CompletionResultType]::ParameterValue, 'The tables: print their DDL, create them, compare them')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Completions of the command line for a shell, on stdout')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'The manual: a page on stdout, or all of them into a directory')
            [CompletionResult]::new('help', 'help', [CompletionResultType]::ParameterValue, 'Print this message or the help of the given subcommand(s)')
            break
        }
        'mdsctl;help;load' {
            break
        }
        'mdsctl;help;tail' {
            break
        }
        'mdsctl;help;replay-dlq' {
            break
        }
        'mdsctl;help;inspect-dlq' {
            break
        }
        'mdsctl;help;verify' {
            break
        }
        'mdsctl;help;health' {
            break
        }
        'mdsctl;help;runs' {
            break
        }
        'mdsctl;help;schema' {
            [CompletionResult]::new('show', 'show', [CompletionResultType]::ParameterValue, 'Print the DDL')
            [CompletionResult]::new('apply', 'apply', [CompletionResultType]::ParameterValue, 'Create the tables, or bring them up to date; does nothing where all is well')
            [CompletionResult]::new('check', 'check', [CompletionResultType]::ParameterValue, 'Compare the tables with what they should be')
            break
        }
        'mdsctl;help;schema;show' {
            break
        }
        'mdsctl;help;schema;apply' {
            break
        }
        'mdsctl;help;schema;check' {
            break
        }
        'mdsctl;help;completions' {
            break
        }
        'mdsctl;help;man' {
            break
        }
        'mdsctl;help;help' {
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
