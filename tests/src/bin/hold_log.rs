//! Another process that has a log open: opens the log in the folder it is given, says so, and keeps it until its input
//! ends.

use std::io::Read;

use daybook_log::{EmbeddedLog, EmbeddedOptions, Recovery};
use daybook_rocks::Memory;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let (folder, partitions) = (arguments.next().expect("a folder"), arguments.next().expect("how many partitions"));
    let options = EmbeddedOptions {
        folder: folder.into(),
        name: "daybook".to_owned(),
        partitions: partitions.parse().expect("a number"),
        recovery: Recovery::Strict,
    };
    let log = EmbeddedLog::open(options, &Memory::default()).expect("the log");
    println!("open");
    std::io::stdin().read_to_end(&mut Vec::new()).expect("the end of the input");
    drop(log);
}
