//! A piece of a file that is read as far as somebody looks ahead, and forgotten as far as somebody says.

use std::io::{self, BufRead};

/// Bytes that may lie in front of the window before they are moved out of the memory.
const FORGOTTEN_BYTES_MAX: usize = 1 << 20;

/// The bytes from the present place of a file on. Reading it to the end takes time in proportion to its length, however
/// often and far somebody looks ahead, and memory in proportion to how far.
pub(crate) struct Window<R> {
    reader: R,
    bytes: Vec<u8>,
    /// Where the present place is in `bytes`.
    start: usize,
    is_whole: bool,
}

impl<R: BufRead> Window<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, bytes: Vec::new(), start: 0, is_whole: false }
    }

    /// What has been read from the present place on.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// Reads so many bytes from the present place on, unless the file ends before; says how many there are now.
    pub(crate) fn fill(&mut self, wanted: usize) -> io::Result<usize> {
        while !self.is_whole && self.bytes().len() < wanted {
            let read = self.reader.fill_buf()?;
            let count = read.len();
            self.bytes.extend_from_slice(read);
            self.reader.consume(count);
            self.is_whole = count == 0;
        }
        Ok(self.bytes().len())
    }

    /// Where the line ends that begins at a place, its line end included. A line longer than `max` bytes ends there.
    /// `None` at the end of the file.
    pub(crate) fn line_end(&mut self, at: usize, max: usize) -> io::Result<Option<usize>> {
        let mut looked = at;
        loop {
            let there = self.bytes().len().min(at + max);
            if let Some(end) = self.bytes().get(looked..there).and_then(|more| more.iter().position(|&b| b == b'\n')) {
                return Ok(Some(looked + end + 1));
            }
            looked = looked.max(there);
            if looked == at + max {
                return Ok(Some(looked));
            }
            if self.fill(looked + 1)? <= looked {
                return Ok((looked > at).then_some(looked));
            }
        }
    }

    /// Moves the present place on. What lies before it is gone.
    pub(crate) fn forget(&mut self, count: usize) {
        self.start += count.min(self.bytes().len());
        // Each byte is moved once for every byte that is forgotten, at most.
        if self.start >= FORGOTTEN_BYTES_MAX && self.start >= self.bytes.len() / 2 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    #[test]
    fn lines_whatever_the_buffer_is() {
        for capacity in 1..9 {
            let mut window = Window::new(BufReader::with_capacity(capacity, &b"ab\n\ncdefgh\nij"[..]));
            let mut ends = Vec::new();
            let mut at = 0;
            while let Some(end) = window.line_end(at, 4).unwrap() {
                ends.push(end);
                at = end;
            }
            assert_eq!(ends, [3, 4, 8, 11, 13]);
            window.forget(4);
            assert_eq!(window.fill(100).unwrap(), 9);
            assert_eq!(window.bytes(), b"cdefgh\nij");
            window.forget(100);
            assert_eq!(window.line_end(0, 4).unwrap(), None);
        }
    }

    #[test]
    fn memory_follows_the_place() {
        let line = [b'x'; 999];
        let bytes: Vec<u8> = (0..20_000).flat_map(|_| [&line[..], b"\n"].concat()).collect();
        let mut window = Window::new(BufReader::with_capacity(1 << 16, bytes.as_slice()));
        while let Some(end) = window.line_end(0, 1 << 16).unwrap() {
            window.forget(end);
            assert!(window.bytes.len() <= 3 << 20, "{}", window.bytes.len());
        }
    }
}
