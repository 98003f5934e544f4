//! Taking an mbox file apart.
//!
//! There are several dialects. A line `From address date` starts a message in all of them. Lines of a message that would
//! look like one get a `>` in front, and in the dialect mboxrd those that have some get one more; that is undone here. The
//! empty line in front of a separator belongs to the mailbox, so that a message has the same bytes as in a file of its own.
//!
//! Some programs quote nothing. So not every such line separates:
//!
//! | line | separates |
//! | --- | --- |
//! | with a date, after an empty line | always |
//! | with a date, after another line | if a header field follows |
//! | without a date, with an address | after an empty line, if a whole header follows that has a field of every message's |
//! | other | never |
//!
//! The dialects mboxcl and mboxcl2 say how long the body is, in `Content-Length`. That is believed where a separator, or
//! the end of the file, follows right behind so many bytes. Where it would hide something that looks like another message,
//! all messages so far must have had such a length: in other dialects the field may come from whoever sent the message.

use std::io::{self, BufRead};

use super::MESSAGE_BYTES_MAX;
use super::date::Reading;
use super::fields::{Fields, starts_field};
use super::separator::{self, HeaderCheck};
use super::window::Window;

/// Longer lines are read in pieces of so many bytes, so that a file without line ends needs no more memory.
const PIECE_BYTES_MAX: usize = 1 << 16;
/// Bytes of a header behind a line without a date. What is longer is none.
const HEADER_BYTES_MAX: usize = 1 << 20;

/// The messages of an mbox.
pub(crate) struct Mbox<R> {
    /// Stands at the line that starts the next message.
    window: Window<R>,
    count: u64,
    /// All messages so far had a length that fits.
    has_lengths: bool,
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Its place in the mailbox, counted from 1.
    pub(crate) number: u64,
    /// The date in the line that starts it.
    pub(crate) sent: Option<Reading>,
    /// The message; `None` when it is too large.
    pub(crate) bytes: Option<Vec<u8>>,
    /// Its body has what looks like another message, and its length says that it is one.
    pub(crate) has_mailbox_inside: bool,
}

/// What a `Content-Length` that fits says.
struct Length {
    /// Where the body ends.
    end: usize,
    hides_a_message: bool,
    /// The body has lines like separators that are not quoted: nothing in it is.
    is_unquoted: bool,
}

impl<R: BufRead> Mbox<R> {
    /// The messages of an mbox that starts with a separator.
    pub(crate) fn new(reader: R) -> Self {
        Self { window: Window::new(reader), count: 0, has_lengths: true }
    }

    fn line(&mut self, at: usize) -> io::Result<Option<usize>> {
        self.window.line_end(at, PIECE_BYTES_MAX)
    }

    /// The next message; `None` at the end.
    fn read(&mut self) -> io::Result<Option<Message>> {
        let Some(end) = self.line(0)? else { return Ok(None) };
        let sent = separator::date(&self.window.bytes()[..end]);
        self.window.forget(end);
        self.count += 1;
        let mut message = Message { number: self.count, sent, bytes: None, has_mailbox_inside: false };

        let (mut at, mut is_too_large) = (0, false);
        let (mut starts_line, mut after_blank, mut in_header, mut is_first) = (true, true, true, true);
        let mut length = None;
        while let Some(end) = self.line(at)? {
            let line = &self.window.bytes()[at..end];
            let ends_line = line.ends_with(b"\n");
            let is_blank = starts_line && matches!(line, b"\n" | b"\r\n");
            if starts_line && separator::is_like(line) && self.separates(at, end, after_blank, is_first)? {
                break;
            }
            at = end;
            (starts_line, after_blank, is_first) = (ends_line, is_blank, false);
            if is_blank && in_header {
                in_header = false;
                length = if is_too_large { None } else { self.length(at)? };
                if let Some(length) = &length {
                    // An empty body ends with the line that the header does.
                    if length.end > at {
                        at = length.end;
                        (starts_line, after_blank) = (self.window.bytes().get(at - 1) == Some(&b'\n'), false);
                    }
                }
            }
            if at > MESSAGE_BYTES_MAX {
                is_too_large = true;
                self.window.forget(at);
                at = 0;
            }
        }
        self.has_lengths &= length.is_some();
        let found = &self.window.bytes()[..at];
        message.has_mailbox_inside = length.as_ref().is_some_and(|length| length.hides_a_message);
        if !is_too_large {
            let found = without_separating_line(found);
            let is_unquoted = length.is_some_and(|length| length.is_unquoted);
            message.bytes = Some(if is_unquoted { found.to_vec() } else { unquoted(found) });
        }
        self.window.forget(at);
        Ok(Some(message))
    }

    /// Whether a line that looks like a separator is one. `is_first`: it is the first line of a message.
    fn separates(&mut self, at: usize, end: usize, after_blank: bool, is_first: bool) -> io::Result<bool> {
        // A line so long is none.
        if end - at >= PIECE_BYTES_MAX {
            return Ok(false);
        }
        let has_date = separator::date(&self.window.bytes()[at..end]).is_some();
        match (has_date, after_blank) {
            (true, true) => Ok(true),
            (true, false) => {
                let next = self.line(end)?;
                Ok(next.is_some_and(|next| starts_field(&self.window.bytes()[end..next])))
            }
            (false, true) if !is_first && separator::has_address(&self.window.bytes()[at..end]) => {
                self.starts_header(end)
            }
            (false, _) => Ok(false),
        }
    }

    /// Whether the header of a message begins at a place. It has no empty line, so what is looked at here is not looked at
    /// for another line.
    fn starts_header(&mut self, start: usize) -> io::Result<bool> {
        let mut check = HeaderCheck::default();
        let mut at = start;
        while let Some(end) = self.line(at)? {
            if end - start > HEADER_BYTES_MAX || end - at >= PIECE_BYTES_MAX {
                return Ok(false);
            }
            if let Some(known) = check.line(&self.window.bytes()[at..end]) {
                return Ok(known);
            }
            at = end;
        }
        Ok(check.end())
    }

    /// The length that the header in front of a body gives it, if it fits.
    fn length(&mut self, body: usize) -> io::Result<Option<Length>> {
        let header = Fields::of(&self.window.bytes()[..body]);
        let mut lengths = header.values("Content-Length");
        let (Some(length), None) = (lengths.next(), lengths.next()) else { return Ok(None) };
        drop(lengths);
        let length = length.trim();
        let is_number = (1..=9).contains(&length.len()) && length.bytes().all(|byte| byte.is_ascii_digit());
        let Some(length) = length.parse::<usize>().ok().filter(|_| is_number) else { return Ok(None) };
        let end = body + length;
        if end > MESSAGE_BYTES_MAX || self.window.fill(end)? < end || !self.ends_message(body, end)? {
            return Ok(None);
        }
        let (mut at, mut after_blank, mut found) =
            (body, true, Length { end, hides_a_message: false, is_unquoted: false });
        while at < end
            && let Some(next) = self.line(at)?
        {
            let next = next.min(end);
            let line = &self.window.bytes()[at..next];
            let is_blank = matches!(line, b"\n" | b"\r\n");
            if separator::is_like(line) && (at == body || self.window.bytes()[at - 1] == b'\n') {
                found.is_unquoted = true;
                found.hides_a_message |= self.separates(at, next, after_blank, false)?;
                if found.hides_a_message {
                    return Ok(self.has_lengths.then_some(found));
                }
            }
            (at, after_blank) = (next, is_blank);
        }
        Ok(Some(found))
    }

    /// Whether a message may end at a place: a separator follows, or nothing, with an empty line or two between.
    fn ends_message(&mut self, body: usize, end: usize) -> io::Result<bool> {
        let mut at = end;
        let mut starts_line = end == body || self.window.bytes()[end - 1] == b'\n';
        let mut blank_lines = 0;
        while let Some(next) = self.line(at)? {
            let line = &self.window.bytes()[at..next];
            if !matches!(line, b"\n" | b"\r\n") {
                // With a date: those who write lengths write it.
                return Ok(starts_line && separator::is_like(line) && separator::date(line).is_some());
            }
            blank_lines += usize::from(starts_line);
            if blank_lines > 2 {
                return Ok(false);
            }
            (at, starts_line) = (next, true);
        }
        Ok(true)
    }
}

/// Without the empty line in front of the separator.
fn without_separating_line(message: &[u8]) -> &[u8] {
    let ends = [&b"\n\r\n"[..], b"\n\n"];
    match ends.iter().find(|end| message.ends_with(end)) {
        Some(end) => &message[..message.len() - end.len() + 1],
        None => message,
    }
}

/// With one mark less on lines that would be separators without.
fn unquoted(message: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        let marks = line.iter().take_while(|&&byte| byte == b'>').count();
        let is_quoted = marks > 0 && separator::is_like(&line[marks..]);
        bytes.extend_from_slice(&line[usize::from(is_quoted)..]);
    }
    bytes
}

impl<R: BufRead> Iterator for Mbox<R> {
    type Item = io::Result<Message>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufReader, Read};

    use proptest::prelude::*;

    use super::*;

    const DATED: &str = "From a@example.com Sat Jan  3 01:05:34 1996\n";

    fn messages(mbox: &[u8]) -> Vec<(u64, Option<i64>, String)> {
        let text =
            |bytes: Option<Vec<u8>>| bytes.map_or("too large".to_owned(), |bytes| String::from_utf8(bytes).unwrap());
        let messages = Mbox::new(mbox).map(Result::unwrap);
        let sent = |message: &Message| message.sent.map(|reading| reading.seconds);
        messages.map(|message| (message.number, sent(&message), text(message.bytes))).collect()
    }

    fn texts(mbox: &str) -> Vec<String> {
        messages(mbox.as_bytes()).into_iter().map(|(.., text)| text).collect()
    }

    #[test]
    fn separators_have_a_number_and_a_date() {
        let mbox = format!("{DATED}A: 1\n\nFrom nobody\nFrom: b\nB: 2\n\n{DATED}C: 3\n");
        let at = Some(820_631_134);
        let [a, b, c] = ["A: 1\n", "From: b\nB: 2\n", "C: 3\n"].map(str::to_owned);
        assert_eq!(messages(mbox.as_bytes()), [(1, at, a), (2, None, b), (3, at, c)]);
    }

    #[test]
    fn quoted_lines_lose_one_mark() {
        let mbox = format!("{DATED}a\n>From b\n>>From c\n> From d\n>F\n");
        assert_eq!(texts(&mbox), ["a\nFrom b\n>From c\n> From d\n>F\n"]);
    }

    #[test]
    fn prose_that_nobody_quoted_does_not_separate() {
        for body in [
            "From the harbour\nwe saw it.\n\nFrom there:\nFrom us\n",
            "From Rotterdam to Hamburg by barge.\nETA: Tuesday\n",
            "\nFrom Rotterdam to Hamburg by barge.\nETA: Tuesday\n\nBest regards\n",
            "From Rotterdam to Hamburg by barge.\nDate: Tuesday\nFrom: the pier\n",
            "\nFrom Rotterdam to Hamburg by barge.\nDate: Tuesday\nWe shall see.\n",
            // Even a line with a date, in the middle of prose.
            "he wrote:\nFrom a@example.com Sat Jan  3 01:05:34 1996\nand nothing else.\n",
        ] {
            let message = format!("A: 1\n\n{body}");
            assert_eq!(texts(&format!("{DATED}{message}")), [message.as_str()]);
            assert_eq!(texts(&format!("{DATED}{message}\n{DATED}b\n")), [message.as_str(), "b\n"]);
        }
        // With a date it does, before a header even if the line before is not empty.
        assert_eq!(texts(&format!("{DATED}a\n{DATED}B: 1\n")), ["a\n", "B: 1\n"]);
        assert_eq!(texts(&format!("{DATED}A: 1\n\na\n\n{DATED}b\n")), ["A: 1\n\na\n", "b\n"]);
    }

    #[test]
    fn line_ends_and_the_end_of_the_file() {
        assert_eq!(texts("From a\r\nA: 1\r\n\r\nb\r\n\r\nFrom b\r\nDate: 1\r\n"), ["A: 1\r\n\r\nb\r\n", "Date: 1\r\n"]);
        assert_eq!(texts(&format!("{DATED}a")), ["a"]);
        assert_eq!(texts(DATED.trim_end()), [""]);
        assert_eq!(texts(&format!("{DATED}{DATED}a\n\n\n")), ["", "a\n\n"]);
        assert_eq!(texts(&format!("{DATED}A: 1\n\nb\n\nFrom ")), ["A: 1\n\nb\n\nFrom "]);
        assert_eq!(texts(""), Vec::<String>::new());
    }

    /// A message with this `Content-Length`.
    fn sized(length: impl std::fmt::Display, body: &str) -> String {
        format!("A: 1\nContent-Length: {length}\n\n{body}")
    }

    #[test]
    fn a_length_that_fits_is_believed() {
        let inside = format!("see\n\n{DATED}Subject: quoted\nDate: x\n\nFrom there\n>From here\n");
        let plain = "one\nFrom us\nand them\n";
        for body in [inside.as_str(), plain] {
            let message = sized(body.len(), body);
            for behind in ["\n", "", "\r\n"] {
                let mbox = format!("{DATED}{message}{behind}{DATED}B: 1\n");
                assert_eq!(texts(&mbox), [message.as_str(), "B: 1\n"], "{behind:?}");
                assert_eq!(texts(&format!("{DATED}{message}{behind}")), [message.as_str()], "{behind:?}");
            }
            // So it is when the length counts the empty line.
            let counted = sized(body.len() + 1, body);
            assert_eq!(texts(&format!("{DATED}{counted}\n{DATED}B: 1\n")), [counted.as_str(), "B: 1\n"]);
        }
        let of = |mbox: &str| {
            Mbox::new(mbox.as_bytes()).map(|message| message.unwrap().has_mailbox_inside).collect::<Vec<_>>()
        };
        assert_eq!(of(&format!("{DATED}{}\n{DATED}B: 1\n", sized(inside.len(), &inside))), [true, false]);
        assert_eq!(of(&format!("{DATED}{}\n{DATED}B: 1\n", sized(plain.len(), plain))), [false, false]);
        // Quoted lines are unquoted where the dialect quotes.
        let quoted = "a\n>From b\n";
        let mbox = format!("{DATED}{}\n{DATED}B: 1\n", sized(quoted.len(), quoted));
        assert_eq!(texts(&mbox)[0], sized(quoted.len(), "a\nFrom b\n"));
        // No body at all.
        assert_eq!(texts(&format!("{DATED}{}\n{DATED}B: 1\n", sized(0, ""))), [sized(0, ""), "B: 1\n".to_owned()]);
    }

    #[test]
    fn a_length_that_does_not_fit_is_not_believed() {
        let body = "some text\n";
        for length in ["3", "9", "1000", "99999999999999999999", "-1", "", "1 1", "+10"] {
            let message = sized(length, body);
            let mbox = format!("{DATED}{message}\n{DATED}B: 1\n\n{DATED}C: 1\n");
            assert_eq!(texts(&mbox), [message.as_str(), "B: 1\n", "C: 1\n"], "{length:?}");
        }
        // In the middle of a line, before what only looks like a separator.
        let message = sized(6, "Hello From you\n");
        assert_eq!(texts(&format!("{DATED}{message}")), [message]);
        // Given twice.
        let message = "Content-Length: 2\nContent-Length: 2\n\na\nb\n";
        assert_eq!(texts(&format!("{DATED}{message}\n{DATED}B: 1\n")), [message, "B: 1\n"]);
    }

    #[test]
    fn nobody_hides_messages_behind_a_length() {
        // In a mailbox of another dialect: the sender of the second message chose its length.
        let first = "A: 1\n\na\n";
        let hidden = "Subject: hidden\nDate: x\n\nb\n";
        let length = format!("x\n\n{DATED}{hidden}").len();
        let forged = sized(length, "x\n");
        let mbox = format!("{DATED}{first}\n{DATED}{forged}\n{DATED}{hidden}\n{DATED}C: 1\n");
        assert_eq!(texts(&mbox), [first, forged.as_str(), hidden, "C: 1\n"]);
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

    #[test]
    fn large_files_take_time_in_proportion() {
        let huge = sized(MESSAGE_BYTES_MAX - 100, "x\n");
        let messages: [String; 6] = [
            format!("{DATED}{huge}\n"),
            format!("{DATED}{}\n", sized(2, "x\n")),
            "\nFrom nobody\nX: 1\n".to_owned(),
            "\nFrom nobody\n".to_owned(),
            "From x Sat Jan  3 01:05:34 1996\nx\n".to_owned(),
            ">>>>From ".to_owned(),
        ];
        for message in &messages {
            let read = |count: usize| {
                let mbox = format!("{DATED}A: 1\n\n{}", message.repeat(count));
                assert!(Mbox::new(BufReader::new(mbox.as_bytes())).all(|message| message.is_ok()));
            };
            // Were it the square, it would not come to an end.
            read(80_000);
        }
    }

    /// A message of lines that are likely to be taken for something else, and of any bytes.
    fn message() -> impl Strategy<Value = Vec<u8>> {
        let line = prop_oneof![
            Just(DATED.trim_end().as_bytes().to_vec()),
            Just(b"From nobody".to_vec()),
            Just(b">>From x".to_vec()),
            Just(b"A: 1".to_vec()),
            Just(b"Date: 1".to_vec()),
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
        /// Reading is the inverse of writing, whatever the messages are: in the dialect that quotes, and in the one that
        /// gives lengths and quotes nothing.
        #[test]
        fn messages_come_back_as_they_were_written(written in proptest::collection::vec(message(), 0..5)) {
            let read = |mbox: &[u8]| -> Vec<_> { Mbox::new(mbox).map(|message| message.unwrap().bytes.unwrap()).collect() };
            let mbox: Vec<u8> =
                written.iter().flat_map(|message| [DATED.as_bytes(), &quoted(message), b"\n"].concat()).collect();
            prop_assert_eq!(read(&mbox), written.clone());

            let sized: Vec<_> = written
                .iter()
                .map(|body| [format!("Content-Length: {}\n\n", body.len()).as_bytes(), body].concat())
                .collect();
            let mbox: Vec<u8> = sized.iter().flat_map(|message| [DATED.as_bytes(), message, b"\n"].concat()).collect();
            let is_like = |line: &[u8]| line.starts_with(b">") && line.trim_ascii_start().starts_with(b">");
            // Where nothing tells that a body is not quoted, a quoted line may lose its mark.
            let is_plain = |body: &Vec<u8>| !body.split(|&byte| byte == b'\n').any(is_like);
            if written.iter().all(is_plain) {
                prop_assert_eq!(read(&mbox), sized);
            }
        }
    }
}
