//! The configuration: lines `KEY=value` of the environment, a line `----`, the file. Without that line, a file.

use std::cell::OnceCell;
use std::fs;

use daybook_server::config::Config;
use tempfile::TempDir;

thread_local! {
    static FOLDER: OnceCell<TempDir> = const { OnceCell::new() };
}

pub(super) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let (environment, file) = text.split_once("\n----\n").unwrap_or(("", text));
    let environment: Vec<_> = environment
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    FOLDER.with(|folder| {
        let path = folder.get_or_init(|| tempfile::tempdir().expect("a folder")).path().join("daybook.toml");
        fs::write(&path, file).expect("a file");
        let Ok(config) = Config::load(Some(&path), environment) else { return };
        assert!(config.check().is_ok(), "what was taken passes the checks");
        fs::write(&path, toml::to_string(&config).expect("it can be written")).expect("a file");
        assert_eq!(Config::load(Some(&path), Vec::new()).as_ref(), Ok(&config), "it is read as it was written");
    });
}
