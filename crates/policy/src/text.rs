//! The words and signs of a text in Cedar: enough to count them before Cedar reads the text.

/// A word, a single sign, or a string with its quotation marks.
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
}

impl Token<'_> {
    pub(crate) fn is_string(&self) -> bool {
        self.text.starts_with('"')
    }
}

/// The words, signs and strings of a text in Cedar; comments are passed over.
pub(crate) struct Tokens<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Tokens<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { rest: text, line: 1 }
    }

    /// The same without strings.
    pub(crate) fn without_strings(self) -> impl Iterator<Item = Token<'a>> {
        self.filter(|token| !token.is_string())
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            let first = self.rest.chars().next()?;
            if first == '"' {
                let (bytes, line) = (string_bytes(self.rest), self.line);
                return Some(Token { text: self.take(bytes), line });
            }
            if self.rest.starts_with("//") {
                let bytes = self.rest.find(['\n', '\r']).unwrap_or(self.rest.len());
                self.take(bytes);
            } else {
                let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
                let word = self.rest.find(|c| !is_of_word(c)).unwrap_or(self.rest.len());
                let line = self.line;
                let text = self.take(word.max(first.len_utf8()));
                if !first.is_whitespace() {
                    return Some(Token { text, line });
                }
            }
        }
    }
}

/// The length of the string that a text begins with; all of the text if it does not end.
fn string_bytes(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}
