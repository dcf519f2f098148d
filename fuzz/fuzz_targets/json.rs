#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mdsctl::app::fuzzing::check("json", data));
