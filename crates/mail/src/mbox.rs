//! Taking an mbox file apart.
//!
//! There are several dialects. A line `From address date` starts a message in all of them. Lines of a message that would
//! look like one get a `>` in front, and in the dialect mboxrd those that have some get one more; that is undone here.
//! Dialects that quote nothing are the reason for a closer look: such a line without a date separates only where a
//! header field follows. The empty line in front of a separator belongs to the mailbox, so that a message has the same
//! bytes as in a file of its own.

use std::io::{self, BufRead, Read};

use super::{MESSAGE_BYTES_MAX, fields, from_line};

/// Longer lines are read in pieces of so many bytes, so that a file without line ends needs no more memory.
const PIECE_BYTES_MAX: usize = 1 << 16;

/// The messages of an mbox.
pub(crate) struct Mbox<R> {
    reader: R,
    /// A line, or a piece of one.
    piece: Vec<u8>,
    starts_line: bool,
    /// A line that separates if a header field follows.
    candidate: Option<Vec<u8>>,
    current: Option<Message>,
    count: u64,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place in the mailbox, counted from 1.
    pub(crate) number: u64,
    /// The date in the line that starts it, in seconds since 1970.
    pub(crate) sent: Option<i64>,
    /// The message; `None` when it is too large.
    pub(crate) bytes: Option<Vec<u8>>,
}

impl Message {
    fn add(&mut self, bytes: &[u8]) {
        let Some(message) = &mut self.bytes else { return };
        if message.len() + bytes.len() <= MESSAGE_BYTES_MAX {
            message.extend_from_slice(bytes);
        } else {
            self.bytes = None;
        }
    }

    fn without_separating_line(mut self) -> Self {
        if let Some(bytes) = &mut self.bytes {
            for end in [&b"\n\r\n"[..], b"\n\n"] {
                if bytes.ends_with(end) {
                    bytes.truncate(bytes.len() - end.len() + 1);
                    break;
                }
            }
        }
        self
    }
}

impl<R: BufRead> Mbox<R> {
    /// The messages of an mbox that starts with a separator.
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, piece: Vec::new(), starts_line: true, candidate: None, current: None, count: 0 }
    }

    /// Starts a message at a separator, and returns the one before.
    fn start(&mut self, separator: &[u8]) -> Option<Message> {
        self.count += 1;
        let message = Message { number: self.count, sent: from_line::date(separator), bytes: Some(Vec::new()) };
        self.current.replace(message).map(Message::without_separating_line)
    }

    fn add(&mut self, bytes: &[u8]) {
        if let Some(message) = &mut self.current {
            message.add(bytes);
        }
    }

    fn read_piece(&mut self) -> io::Result<bool> {
        self.starts_line = self.piece.is_empty() || self.piece.ends_with(b"\n");
        self.piece.clear();
        Ok((&mut self.reader).take(PIECE_BYTES_MAX as u64).read_until(b'\n', &mut self.piece)? > 0)
    }

    /// Takes a piece in; returns the message that ends before it.
    fn take(&mut self, piece: &[u8]) -> Option<Message> {
        if !self.starts_line {
            self.add(piece);
            return None;
        }
        let mut ended = None;
        if let Some(candidate) = self.candidate.take() {
            if fields::starts_field(piece) {
                ended = self.start(&candidate);
            } else {
                self.add(&candidate);
            }
        }
        let is_whole = piece.len() < PIECE_BYTES_MAX;
        if piece.starts_with(b"From ") && is_whole {
            // Two at once cannot end: after a candidate that starts a message comes a header field.
            if self.current.is_none() || from_line::date(piece).is_some() {
                ended = self.start(piece);
            } else {
                self.candidate = Some(piece.to_vec());
            }
        } else if is_quoted(piece) {
            self.add(&piece[1..]);
        } else {
            self.add(piece);
        }
        ended
    }
}

/// Whether a line would be a separator without the `>` in front.
fn is_quoted(line: &[u8]) -> bool {
    let quotes = line.iter().take_while(|&&byte| byte == b'>').count();
    quotes > 0 && line[quotes..].starts_with(b"From ")
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.read_piece() {
                Err(error) => return Some(Err(error)),
                Ok(false) => {
                    if let Some(candidate) = self.candidate.take() {
                        self.add(&candidate);
                    }
                    return self.current.take().map(|message| Ok(message.without_separating_line()));
                }
                Ok(true) => {
                    let piece = std::mem::take(&mut self.piece);
                    let ended = self.take(&piece);
                    self.piece = piece;
                    if let Some(message) = ended {
                        return Some(Ok(message));
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    const DATED: &str = "From a@example.com Sat Jan  3 01:05:34 1996\n";

    fn messages(mbox: &[u8]) -> Vec<(u64, Option<i64>, String)> {
        let text =
            |bytes: Option<Vec<u8>>| bytes.map_or("too large".to_owned(), |bytes| String::from_utf8(bytes).unwrap());
        let messages = Mbox::new(mbox).map(Result::unwrap);
        messages.map(|message| (message.number, message.sent, text(message.bytes))).collect()
    }

    fn texts(mbox: &str) -> Vec<String> {
        messages(mbox.as_bytes()).into_iter().map(|(.., text)| text).collect()
    }

    #[test]
    fn separators_have_a_number_and_a_date() {
        let mbox = format!("{DATED}A: 1\n\nFrom nobody\nB: 2\n\n{DATED}C: 3\n");
        let at = Some(820_631_134);
        let [a, b, c] = ["A: 1\n", "B: 2\n", "C: 3\n"].map(str::to_owned);
        assert_eq!(messages(mbox.as_bytes()), [(1, at, a), (2, None, b), (3, at, c)]);
    }

    #[test]
    fn quoted_lines_lose_one_mark() {
        let mbox = format!("{DATED}a\n>From b\n>>From c\n> From d\n>F\n");
        assert_eq!(texts(&mbox), ["a\nFrom b\n>From c\n> From d\n>F\n"]);
    }

    #[test]
    fn prose_that_nobody_quoted_does_not_separate() {
        let mbox = format!("{DATED}A: 1\n\nFrom the harbour\nwe saw it.\n\nFrom there:\nFrom us\n");
        assert_eq!(texts(&mbox), ["A: 1\n\nFrom the harbour\nwe saw it.\n\nFrom there:\nFrom us\n"]);
        // With a date it does, even if the line before is not empty.
        assert_eq!(texts(&format!("{DATED}a\n{DATED}b\n")), ["a\n", "b\n"]);
    }

    #[test]
    fn line_ends_and_the_end_of_the_file() {
        assert_eq!(texts("From a\r\nA: 1\r\n\r\nb\r\n\r\nFrom b\r\nC: 1\r\n"), ["A: 1\r\n\r\nb\r\n", "C: 1\r\n"]);
        assert_eq!(texts(&format!("{DATED}a")), ["a"]);
        assert_eq!(texts(DATED.trim_end()), [""]);
        assert_eq!(texts(&format!("{DATED}{DATED}a\n\n\n")), ["", "a\n\n"]);
        assert_eq!(texts(""), Vec::<String>::new());
    }

    #[test]
    fn a_message_that_is_too_large_does_not_hide_the_next() {
        let line = "x".repeat(1 << 20);
        let mbox = format!("{DATED}{}\n\n{DATED}A: 1\n", format!("{line}\n").repeat(MESSAGE_BYTES_MAX >> 20));
        assert_eq!(texts(&mbox), ["too large", "A: 1\n"]);
        // Neither does one without any line end.
        let mbox = format!("{DATED}{}\n\n{DATED}A: 1\n", "From ".repeat(MESSAGE_BYTES_MAX / 5 + 1));
        assert_eq!(texts(&mbox), ["too large", "A: 1\n"]);
    }

    struct Broken;

    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("the disk is broken"))
        }
    }

    #[test]
    fn a_broken_disk_is_told() {
        let whole = format!("{DATED}A: 1\n\n{DATED}B: 1\n");
        let mut mbox = Mbox::new(BufReader::new(whole.as_bytes().chain(Broken)));
        assert_eq!(mbox.next().unwrap().unwrap().number, 1);
        assert_eq!(mbox.next().unwrap().unwrap_err().to_string(), "the disk is broken");
    }

    /// A message of lines that are likely to be taken for something else, and of any bytes.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(DATED.trim_end().as_bytes().to_vec()),
            Just(b"From nobody".to_vec()),
            Just(b">>From x".to_vec()),
            Just(b"A: 1".to_vec()),
            Just(b"\r".to_vec()),
            Just(Vec::new()),
            Just(vec![b'>'; PIECE_BYTES_MAX + 1]),
            Just([b"From ".as_slice(), &[b'x'; PIECE_BYTES_MAX]].concat()),
            proptest::collection::vec(any::<u8>().prop_filter("one line", |byte| *byte != b'\n'), 0..50),
        ];
        proptest::collection::vec(line, 1..12)
            .prop_map(|lines| lines.iter().flat_map(|line| [line.as_slice(), b"\n"].concat()).collect())
    }

    fn quoted(message: &[u8]) -> Vec<u8> {
        let quote = |line: &[u8]| {
            let rest = line.iter().position(|&byte| byte != b'>').map_or(line, |start| &line[start..]);
            if rest.starts_with(b"From ") { [b">", line].concat() } else { line.to_vec() }
        };
        message.split_inclusive(|&byte| byte == b'\n').flat_map(quote).collect()
    }

    proptest! {
        /// Reading is the inverse of writing, whatever the messages are.
        #[test]
        fn messages_come_back_as_they_were_written(written in proptest::collection::vec(message(), 0..5)) {
            let mbox: Vec<u8> =
                written.iter().flat_map(|message| [DATED.as_bytes(), &quoted(message), b"\n"].concat()).collect();
            let read: Vec<_> = Mbox::new(mbox.as_slice()).map(|message| message.unwrap().bytes.unwrap()).collect();
            prop_assert_eq!(read, written);
        }
    }
}
