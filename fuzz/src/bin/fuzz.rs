//! libFuzzer on the target that `DAYBOOK_FUZZ_TARGET` names. Built and run by `make fuzz`.
//!
//! libFuzzer keeps the input that broke something, unless it was the stack that ran over. So each input is written into
//! the file that `DAYBOOK_FUZZ_LAST` names before it is run.

#![no_main]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

use daybook_fuzz::Target;
use libfuzzer_sys::fuzz_target;

struct Run {
    target: Target,
    last: Option<File>,
}

impl Run {
    fn from_environment() -> Self {
        let name = std::env::var("DAYBOOK_FUZZ_TARGET").unwrap_or_default();
        let target = Target::by_name(&name).unwrap_or_else(|| panic!("DAYBOOK_FUZZ_TARGET={name:?} names no target"));
        let last = std::env::var_os("DAYBOOK_FUZZ_LAST").map(|path| File::create(path).expect("a file"));
        Self { target, last }
    }
}

static RUN: OnceLock<Run> = OnceLock::new();

fuzz_target!(|bytes: &[u8]| {
    let run = RUN.get_or_init(Run::from_environment);
    if let Some(last) = &run.last {
        last.set_len(bytes.len() as u64).and_then(|()| last.write_all_at(bytes, 0)).expect("it can be written");
    }
    (run.target.run)(bytes);
});
