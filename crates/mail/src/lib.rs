//! Mailboxes as governed items.
//!
//! | module | what it does |
//! | --- | --- |
//! | `files` | finds the files below what was named |
//! | `source` | where a message lies, as its item says it |
//! | `mbox` | takes an mbox file apart into messages |
//! | `window` | looks ahead in a file |
//! | `separator` | the line that separates messages |
//! | `fields` | the header of a message |
//! | `encoded_word` | text in header fields |
//! | `people` | the addresses in it |
//! | `created` | when the message came into being |
//! | `date` | dates as mail has them |
//! | `text` | the readable text of its body |
//! | `item` | the message as an item |
//! | `batch` | items as commands |
//!
//! Whatever the bytes are, reading them ends, in time that grows with their number and in memory for a few messages, and
//! every message is either an item or reported. The grammar of addresses is that of `daybook-mail-address`; character sets,
//! transfer encodings and content types are those of the crate `mail-parser`. Its reading of whole messages is not used: the
//! time it takes grows with the square of the parts, and deeply nested messages overflow the stack.

mod batch;
mod created;
mod date;
mod encoded_word;
mod fields;
mod files;
mod item;
mod mbox;
mod people;
mod separator;
mod source;
mod text;
mod window;

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use daybook_proto::legal_hold::v1::Item;

pub use batch::{Batch, batches};
pub use daybook_mail_address as address;
use files::{Files, Found};
use item::InMbox;
pub use item::id_of_reading;
use mbox::Mbox;
use source::Source;

/// Bytes of a message, attachments included. What is larger is reported.
const MESSAGE_BYTES_MAX: usize = 25 << 20;

/// Where a message lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file's path, safe to print.
    pub file: String,
    /// Its place inside an mbox, counted from 1.
    pub position: Option<u64>,
}

/// `mbox:PATH#N` inside an mbox, else the path.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.position {
            Some(position) => write!(f, "mbox:{}#{position}", self.file),
            None => f.write_str(&self.file),
        }
    }
}

/// What cannot be an item, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Malformed {
    /// Where it lies.
    pub place: Place,
    /// The reason.
    pub reason: String,
}

impl Malformed {
    fn of_file(path: &Path, reason: String) -> Self {
        Self { place: Place { file: printable(&path.to_string_lossy()), position: None }, reason }
    }
}

/// A message that is an item.
#[derive(Debug, Clone, PartialEq)]
pub struct Mail {
    /// The item.
    pub item: Item,
    /// Where it lies.
    pub place: Place,
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
/// The id of an item has the file's path below the folder that was named in it, so that files of equal names in different
/// folders stay apart. Where files below several named paths would have the same, each has the path as it was named.
///
/// # Errors
/// A path that was named does not exist.
pub fn read<'a>(
    paths: &[PathBuf],
    options: &'a Options<'a>,
) -> Result<impl Iterator<Item = Result<Mail, Malformed>> + use<'a>, Malformed> {
    for path in paths {
        path.metadata().map_err(|error| unreadable(path, &error))?;
    }
    Ok(Files::below(paths).flat_map(move |file| match file {
        Ok(found) => Messages::open(found, options),
        Err(malformed) => Messages {
            path: PathBuf::new(),
            below: PathBuf::new(),
            options,
            content: Content::Nothing(Some(malformed)),
        },
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
) -> io::Result<impl Iterator<Item = Result<Mail, Malformed>> + use<'a, R>> {
    let below = file.file_name().map(PathBuf::from).unwrap_or_default();
    Ok(Messages { path: file.to_owned(), below, options, content: Content::of(reader)? })
}

/// The messages of one file.
struct Messages<'a, R> {
    path: PathBuf,
    /// Its path below what was named.
    below: PathBuf,
    options: &'a Options<'a>,
    content: Content<R>,
}

enum Content<R> {
    /// Many messages.
    Mbox(Mbox<R>),
    /// One.
    Single(Option<R>),
    /// None, with the reason if it has not been told yet.
    Nothing(Option<Malformed>),
}

impl<'a> Messages<'a, BufReader<File>> {
    fn open(Found { path, below, .. }: Found, options: &'a Options<'a>) -> Self {
        let content = File::open(&path).and_then(|file| Content::of(BufReader::with_capacity(1 << 16, file)));
        let content = content.unwrap_or_else(|error| Content::Nothing(Some(unreadable(&path, &error))));
        Self { path, below, options, content }
    }
}

impl<R: BufRead> Content<R> {
    /// Tells the two formats apart by what is in the file.
    fn of(mut reader: R) -> io::Result<Self> {
        let start = reader.fill_buf()?;
        let content = fields::without_blank_start(start);
        if !separator::is_like(content) {
            return Ok(Self::Single(Some(reader)));
        }
        let blank = start.len() - content.len();
        reader.consume(blank);
        Ok(Self::Mbox(Mbox::new(reader)))
    }
}

impl<R> Messages<'_, R> {
    fn mail(&self, bytes: Option<&[u8]>, position: Option<u64>, mbox: InMbox) -> Result<Mail, Malformed> {
        let place = Place { file: printable(&self.path.to_string_lossy()), position };
        let scheme = if position.is_some() { "mbox" } else { "eml" };
        let item = match bytes {
            Some(bytes) => item::item(bytes, mbox, &Source::of(scheme, &self.below), self.options),
            None => Err(format!("has more than {} MiB", MESSAGE_BYTES_MAX >> 20)),
        };
        match item {
            Ok(item) => Ok(Mail { item, place }),
            Err(reason) => Err(Malformed { place, reason }),
        }
    }
}

impl<R: BufRead> Iterator for Messages<'_, R> {
    type Item = Result<Mail, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.content {
            Content::Nothing(malformed) => malformed.take().map(Err),
            Content::Single(reader) => {
                let mut bytes = Vec::new();
                // One byte more than a message may have tells that it has too many.
                let read = reader.take()?.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes);
                if let Err(error) = read {
                    return Some(Err(unreadable(&self.path, &error)));
                }
                let bytes = (bytes.len() <= MESSAGE_BYTES_MAX).then_some(bytes);
                Some(self.mail(bytes.as_deref(), None, InMbox::default()))
            }
            Content::Mbox(mbox) => match mbox.next()? {
                Ok(message) => {
                    let mbox = InMbox { sent: message.sent, has_mailbox_inside: message.has_mailbox_inside };
                    Some(self.mail(message.bytes.as_deref(), Some(message.number), mbox))
                }
                Err(error) => {
                    let malformed = unreadable(&self.path, &error);
                    self.content = Content::Nothing(None);
                    Some(Err(malformed))
                }
            },
        }
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Malformed {
    Malformed::of_file(path, format!("cannot be read: {error}"))
}

/// Text from outside that is safe to print: no control characters, which a terminal would obey.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
