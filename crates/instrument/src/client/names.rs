//! Names of events and properties as each language writes them.

use std::collections::BTreeSet;

/// `copilot.answer_shown` as `CopilotAnswerShown`.
pub(super) fn pascal(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for word in name.split(['.', '_']) {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(letters);
    }
    out
}

/// `copilot.answer_shown` as `copilotAnswerShown`.
pub(super) fn camel(name: &str) -> String {
    let name = pascal(name);
    let mut letters = name.chars();
    letters.next().map(|first| first.to_ascii_lowercase()).into_iter().chain(letters).collect()
}

/// `copilot.answer_shown` as `copilot_answer_shown`.
pub(super) fn snake(name: &str) -> String {
    name.replace('.', "_")
}

/// Names that are in use in one place of a generated file.
pub(super) struct Taken(BTreeSet<String>);

impl Taken {
    /// What the language, or the part of the file that is always the same, uses already.
    pub(super) fn new(reserved: &[&str]) -> Self {
        Self(reserved.iter().map(|name| (*name).to_owned()).collect())
    }

    /// The name, with as many `_` behind it as keep it apart from those before it.
    pub(super) fn claim(&mut self, mut name: String) -> String {
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        name
    }
}

/// A description on one line, without what would end a comment or begin an escape in any of the languages.
pub(super) fn comment(text: &str) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    text.replace("*/", "* /").replace("\"\"\"", "'''").replace('\\', "/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_written_as_each_language_does() {
        assert_eq!(pascal("copilot.answer_shown_2"), "CopilotAnswerShown2");
        assert_eq!(camel("copilot.answer_shown"), "copilotAnswerShown");
        assert_eq!(camel("trailing_"), "trailing");
        assert_eq!(snake("copilot.answer_shown"), "copilot_answer_shown");
    }

    #[test]
    fn no_two_names_are_one() {
        let mut taken = Taken::new(&["class"]);
        let claimed = ["class", "a", "a", "class"].map(|name| taken.claim(name.to_owned()));
        assert_eq!(claimed, ["class_", "a", "a_", "class__"]);
    }

    #[test]
    fn a_description_cannot_leave_its_comment() {
        assert_eq!(comment("ends */ here\n\"\"\" and\\n there"), "ends * / here ''' and/n there");
    }
}
