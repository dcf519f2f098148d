//! What must hold of every input, whatever its bytes are: the check behind each fuzz target.
//!
//! `fuzz/` makes inputs up for these checks, and the unit tests replay its corpus. A check panics where a reader
//! does what it must not: it panics, loses or invents a row, reads the same bytes in two ways, or takes
//! more memory or work than its input warrants (`memory`).

mod memory;
mod rows;
mod values;

use crate::app::layout::{Layout, Sample, shipped};
use crate::decode::Format;
use crate::dlq::letter::{self, Letter};
use crate::dlq::lines::Lines;

/// A kind of input and what must hold of it.
pub struct Target {
    /// Its name: that of the program in `fuzz/fuzz_targets/` and of the folder in `fuzz/corpus/`.
    pub name: &'static str,
    check: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "arrow", check: |data| rows::stream("arrow", data) },
    Target { name: "csv", check: |data| rows::text("csv", data) },
    Target { name: "dbn", check: |data| rows::stream("dbn", data) },
    Target { name: "decimals", check: values::decimals },
    Target { name: "inputs", check: rows::input },
    Target { name: "json", check: rows::document },
    Target { name: "layouts", check: layouts },
    Target { name: "letters", check: letters },
    Target { name: "ndjson", check: |data| rows::text("ndjson", data) },
    Target { name: "parquet", check: |data| rows::file("parquet", data) },
    Target { name: "timestamps", check: values::timestamps },
    Target { name: "xlsx", check: |data| rows::file("xlsx", data) },
];

/// Checks an input of a target.
///
/// # Panics
/// Where something does not hold that must, or there is no such target.
pub fn check(target: &str, data: &[u8]) {
    let found = TARGETS.iter().find(|one| one.name == target);
    let Some(found) = found else { panic!("there is no fuzz target {target}") };
    memory::bounded(data.len(), || (found.check)(data));
}

/// The beginning of an input whose first line is its name, and layouts as users write them.
fn layouts(data: &[u8]) {
    let Ok(all) = shipped() else { panic!("a layout that is shipped cannot be read") };
    let end = memchr::memchr(b'\n', data).unwrap_or(0);
    let (name, head) = data.split_at(end);
    let name = String::from_utf8_lossy(name);
    let head = head.strip_prefix(b"\n").unwrap_or(head);
    let own = std::str::from_utf8(head).ok().and_then(|text| Layout::all_in(text).ok()).unwrap_or_default();
    for format in Format::all().filter(|format| !format.is_binary()) {
        let sample = Sample::of(&name, format, head);
        for layout in all.iter().chain(&own) {
            layout.signs.iter().for_each(|sign| _ = sign.find_inside(&sample, None));
        }
    }
    // A layout that can be read can be told of.
    own.iter().for_each(|layout| {
        layout.signs.iter().for_each(|sign| assert!(!sign.words(&layout.names).is_empty()));
    });
}

/// Lines of a dead-letter queue, whoever wrote them.
fn letters(data: &[u8]) {
    let mut lines = Lines::new(data);
    let (mut offset, mut number) = (0, 0);
    loop {
        let line = match lines.next() {
            Ok(Some(line)) => line,
            Ok(None) => break,
            Err(error) => panic!("bytes in memory cannot be read: {error}"),
        };
        assert!(line.offset >= offset && line.number > number, "lines go on");
        (offset, number) = (line.offset + line.length, line.number);
        assert!(offset <= data.len() as u64, "a line ends behind its file");
        letter::id_of_place(&line);
        let read = match Letter::read(&line) {
            Ok(read) => read,
            Err(damage) => {
                assert!(!damage.to_string().is_empty());
                continue;
            }
        };
        assert_eq!(read.id(&line), read.id(&line));
        read.first_us();
        for item in &read.items {
            letter::is_row(item);
            for (name, value) in letter::fields(item) {
                letter::words(value);
                assert!(letter::value(item, &name).is_some(), "a field that is there is found");
            }
        }
    }
    assert_eq!(lines.offset(), data.len() as u64, "all bytes are looked at");
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;

    /// Inputs that were made by hand, and those that once broke something.
    fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect()
    }

    /// An input, cut at places all over it, and with damaged bytes.
    fn damaged(data: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        let step = data.len().div_ceil(12).max(1);
        let cut = (0..data.len()).step_by(step).map(|end| data[..end].to_vec());
        let changed = (0..data.len()).step_by(step).flat_map(|at| {
            [0x01, 0x22, 0x80, 0xFF].map(|byte| {
                let mut data = data.to_vec();
                data[at] ^= byte;
                data
            })
        });
        cut.chain(changed)
    }

    /// Shows an input where its check fails.
    struct Shown<'a>(&'a [u8], String);

    impl Drop for Shown<'_> {
        fn drop(&mut self) {
            if std::thread::panicking() {
                println!("{}: {}", self.1, self.0.escape_ascii());
            }
        }
    }

    fn checked(target: &str, data: &[u8]) {
        let _shown = Shown(data, target.to_owned());
        check(target, data);
    }

    /// The corpus as it is, cut and damaged.
    fn replay(target: &str) {
        let inputs = corpus(target);
        assert!(inputs.len() >= 3, "{target}: a corpus is missing");
        for (path, data) in inputs {
            // The name of the input stands in the output of a test that fails.
            println!("{}", path.display());
            checked(target, &data);
            if data.len() <= 32 << 10 {
                damaged(&data).for_each(|data| checked(target, &data));
            }
        }
    }

    /// Inputs made of those of the corpus by chance: bytes changed, taken out, doubled, and parts of two joined. Without
    /// an eye for what code they reach, as the programs in `fuzz/` have it, and with no tool but this test.
    /// `MDSCTL_FUZZ=N` asks for N of each target, or of `MDSCTL_FUZZ_TARGET` alone; `MDSCTL_TEST_SEED` replays.
    #[test]
    fn inputs_that_are_mixed_by_chance() {
        let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
        let (count, seed) = (number("MDSCTL_FUZZ").unwrap_or(100), number("MDSCTL_TEST_SEED").unwrap_or(17));
        println!("MDSCTL_TEST_SEED={seed}");
        let only = std::env::var("MDSCTL_FUZZ_TARGET").ok();
        for target in TARGETS.iter().filter(|target| only.as_deref().is_none_or(|only| only == target.name)) {
            let mut chance = Chance(seed);
            let all: Vec<Vec<u8>> = corpus(target.name).into_iter().map(|(_, data)| data).collect();
            for round in 0..count {
                let data = mixed(&all, &mut chance);
                let _shown = Shown(&data, format!("{}, input {round} of seed {seed}", target.name));
                check(target.name, &data);
            }
        }
    }

    /// Numbers by chance (SplitMix64).
    struct Chance(u64);

    impl Chance {
        fn below(&mut self, end: usize) -> usize {
            self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
            (z ^ (z >> 31)) as usize % end.max(1)
        }
    }

    fn mixed(all: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
        const WORDS: [&[u8]; 18] = [
            b"\"",
            b"\n",
            b"\r\n",
            b",",
            b"[",
            b"]",
            b"{",
            b"}",
            b":",
            b"\\",
            b"\0",
            b"\xFF",
            b"\xEF\xBB\xBF",
            b"e999",
            b"-",
            b"9999999999999999999",
            b"NaN",
            b"\xFF\xFF\xFF\x7F",
        ];
        let mut data = all[chance.below(all.len())].clone();
        data.truncate(4096 + chance.below(1 << 15));
        for _ in 0..1 + chance.below(6) {
            let at = chance.below(data.len() + 1);
            let end = (at + 1 + chance.below(16)).min(data.len());
            match chance.below(6) {
                0 if at < data.len() => data[at] ^= 1 << chance.below(8),
                1 if at < data.len() => data[at] = chance.below(256) as u8,
                2 => drop(data.drain(at.min(end)..end)),
                3 => drop(data.splice(at..at, WORDS[chance.below(WORDS.len())].iter().copied())),
                4 => {
                    let part = data[at.min(end)..end].repeat(1 + chance.below(8));
                    drop(data.splice(at..at, part));
                }
                _ => {
                    let other = &all[chance.below(all.len())];
                    let from = chance.below(other.len() + 1);
                    let to = (from + chance.below(256)).min(other.len());
                    drop(data.splice(at..at, other[from..to].iter().copied()));
                }
            }
        }
        data
    }

    macro_rules! replays {
        ($($name:ident)*) => {
            $(#[test]
            fn $name() {
                replay(stringify!($name));
            })*

            #[test]
            fn each_target_is_a_program_and_is_replayed() {
                let replayed = [$(stringify!($name)),*];
                let programs = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/fuzz_targets");
                let mut found: Vec<String> = fs::read_dir(programs)
                    .unwrap()
                    .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
                    .collect();
                found.sort();
                let targets: Vec<&str> = TARGETS.iter().map(|target| target.name).collect();
                assert_eq!(found, targets);
                assert_eq!(replayed.to_vec(), targets);
            }
        };
    }

    replays!(arrow csv dbn decimals inputs json layouts letters ndjson parquet timestamps xlsx);

    /// What unpacks to a thousand times its size is read in pieces.
    #[test]
    fn what_is_packed_a_thousandfold_takes_no_more_memory() {
        use std::io::Write as _;
        let line = "2024-01-02T10:00:00Z,1.5\n".repeat(400_000);
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(b"ts,price\n").unwrap();
        gzip.write_all(line.as_bytes()).unwrap();
        let packed = gzip.finish().unwrap();
        assert!(packed.len() * 200 < line.len(), "{} bytes", packed.len());
        drop(line);
        check("inputs", &packed);
    }

    #[test]
    #[should_panic(expected = "bytes at once")]
    fn memory_that_an_input_does_not_warrant_is_seen() {
        memory::bounded(10, || drop(std::hint::black_box(vec![1u8; 300 << 20])));
    }
}
