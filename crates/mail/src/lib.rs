//! Mailboxes as governed items.
//!
//! | module | what it does |
//! | --- | --- |
//! | `files` | finds the files below what was named |
//! | `mbox` | takes an mbox file apart into messages |
//! | `from_line` | the line that separates them |
//! | `fields` | the header of a message |
//! | `people` | the addresses in it |
//! | `text` | the readable text of its body |
//! | `item` | the message as an item |
//! | `batch` | items as commands |
//!
//! Whatever the bytes are, reading them ends, in memory that does not grow with the mailbox, and every message is either
//! an item or reported. The grammar of header fields, the character sets and the transfer encodings are those of the crate
//! `mail-parser`. Its reading of whole messages is not used: the time it takes grows with the square of the parts, deeply
//! nested messages overflow the stack, and a `Date` in the zone `Z` hides the field after it.

mod batch;
mod fields;
mod files;
mod from_line;
mod item;
mod mbox;
mod people;
mod text;

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use daybook_proto::legal_hold::v1::Item;

pub use batch::{Batch, batches};
use files::Files;
use mbox::Mbox;

/// Bytes of a message, attachments included. What is larger is reported.
const MESSAGE_BYTES_MAX: usize = 25 << 20;

/// What cannot be an item, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// A path; inside an mbox `mbox:PATH#N`, counted from 1.
    pub place: String,
    /// The reason.
    pub reason: String,
}

/// What all items of an import have in common.
#[derive(Debug, Clone, Copy)]
pub struct Options<'a> {
    /// The retention class.
    pub retention_class: &'a str,
    /// The data category.
    pub data_category: &'a str,
    /// Cases.
    pub case_ids: &'a [String],
    /// Whose mailbox it is.
    pub custodians: &'a [String],
}

/// All messages below the paths, files or folders, in a stable order. A file that starts with `From ` is an mbox, any
/// other one is a message. Symbolic links inside folders are not followed. Nothing is read before it is asked for.
///
/// # Errors
/// A path that was named does not exist.
pub fn read<'a>(
    paths: &[PathBuf],
    options: &'a Options<'a>,
) -> Result<impl Iterator<Item = Result<Item, Malformed>> + use<'a>, Malformed> {
    for path in paths {
        path.metadata().map_err(|error| unreadable(path, &error))?;
    }
    Ok(Files::below(paths).flat_map(move |file| match file {
        Ok(path) => Messages::open(&path, options),
        Err(malformed) => Messages { path: PathBuf::new(), options, source: Source::Nothing(Some(malformed)) },
    }))
}

/// The messages of one file whose content comes from a reader.
///
/// # Errors
/// Its beginning cannot be read.
pub fn read_from<'a, R: BufRead + 'a>(
    reader: R,
    file: &Path,
    options: &'a Options<'a>,
) -> io::Result<impl Iterator<Item = Result<Item, Malformed>> + use<'a, R>> {
    Ok(Messages { path: file.to_owned(), options, source: Source::of(reader)? })
}

/// The messages of one file.
struct Messages<'a, R> {
    path: PathBuf,
    options: &'a Options<'a>,
    source: Source<R>,
}

enum Source<R> {
    /// Many messages.
    Mbox(Mbox<R>),
    /// One.
    Single(Option<R>),
    /// None, with the reason if it has not been told yet.
    Nothing(Option<Malformed>),
}

impl<'a> Messages<'a, BufReader<File>> {
    fn open(path: &Path, options: &'a Options<'a>) -> Self {
        let source = File::open(path).and_then(|file| Source::of(BufReader::with_capacity(1 << 16, file)));
        let source = source.unwrap_or_else(|error| Source::Nothing(Some(unreadable(path, &error))));
        Self { path: path.to_owned(), options, source }
    }
}

impl<R: BufRead> Source<R> {
    /// Tells the two formats apart by what is in the file.
    fn of(mut reader: R) -> io::Result<Self> {
        let start = reader.fill_buf()?;
        let content = fields::without_blank_start(start);
        if !content.starts_with(b"From ") {
            return Ok(Self::Single(Some(reader)));
        }
        let blank = start.len() - content.len();
        reader.consume(blank);
        Ok(Self::Mbox(Mbox::new(reader)))
    }
}

impl<R: BufRead> Iterator for Messages<'_, R> {
    type Item = Result<Item, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let name = self.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        match &mut self.source {
            Source::Nothing(malformed) => malformed.take().map(Err),
            Source::Single(reader) => {
                let mut bytes = Vec::new();
                // One byte more than a message may have tells that it has too many.
                let read = reader.take()?.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
                if let Err(error) = read {
                    return Some(Err(unreadable(&self.path, &error)));
                }
                let item = if bytes.len() > MESSAGE_BYTES_MAX {
                    Err(too_large())
                } else {
                    item::item(&bytes, None, &reference("eml", &name), self.options)
                };
                Some(item.map_err(|reason| Malformed { place: place(&self.path), reason }))
            }
            Source::Mbox(mbox) => match mbox.next()? {
                Ok(message) => {
                    let item = match &message.bytes {
                        Some(bytes) => item::item(bytes, message.sent, &reference("mbox", &name), self.options),
                        None => Err(too_large()),
                    };
                    let place = || format!("mbox:{}#{}", place(&self.path), message.number);
                    Some(item.map_err(|reason| Malformed { place: place(), reason }))
                }
                Err(error) => {
                    let malformed = unreadable(&self.path, &error);
                    self.source = Source::Nothing(None);
                    Some(Err(malformed))
                }
            },
        }
    }
}

fn too_large() -> String {
    format!("has more than {} MiB", MESSAGE_BYTES_MAX >> 20)
}

fn unreadable(path: &Path, error: &io::Error) -> Malformed {
    Malformed { place: place(path), reason: format!("cannot be read: {error}") }
}

fn place(path: &Path) -> String {
    printable(&path.to_string_lossy())
}

/// Text from outside that is safe to print: no control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

/// Where the upstream copy lies, as a URI. It names the mailbox, not a place inside: places move when mail is deleted,
/// and the hash of the content finds the message.
fn reference(scheme: &str, file_name: &str) -> String {
    let mut uri = format!("{scheme}:");
    for byte in file_name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~@+=,".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
