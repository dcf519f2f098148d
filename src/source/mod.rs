//! Where bytes come from: files, directories, globs and standard input, compressed or not.
