//! The command line: arguments to settings, one file a subcommand, exit codes.
