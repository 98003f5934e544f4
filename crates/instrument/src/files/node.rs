//! YAML as a tree whose nodes know their line. Scalars stay text: what a word means is for the place where it stands,
//! so that a value called `no` is not taken for a boolean.

use granit_parser::{Event, Parser, ScalarStyle, Span};

use crate::names::Names;

/// A value.
#[derive(Debug)]
pub(super) struct Node {
    /// Where it begins, from 1.
    pub(super) line: usize,
    pub(super) content: Content,
}

#[derive(Debug)]
pub(super) enum Content {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) line: usize,
}

/// Why a text is no tree.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotRead {
    pub(super) line: usize,
    pub(super) text: String,
    pub(super) hint: &'static str,
}

impl NotRead {
    fn at(span: &Span, text: impl Into<String>, hint: &'static str) -> Self {
        Self { line: span.start.line(), text: text.into(), hint }
    }
}

/// A list or a mapping whose end is not read yet.
enum Open {
    List(usize, Vec<Node>),
    Map(OpenMap),
}

struct OpenMap {
    line: usize,
    entries: Vec<(Key, Node)>,
    /// The key whose value comes next.
    next: Option<Key>,
    /// The line of each key.
    lines: Names<'static, usize>,
}

/// Reads one document. An empty one is an empty text.
pub(super) fn read(text: &str) -> Result<Node, NotRead> {
    let mut open: Vec<Open> = Vec::new();
    let mut root: Option<Node> = None;
    // The parser bounds how deeply lists and mappings nest.
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| NotRead {
            line: error.marker().line(),
            text: format!("this is not YAML: {}", error.info()),
            hint: "mend the line; a text with `: ` or ` #` in it stands in quotes",
        })?;
        let line = span.start.line();
        let closed = match event {
            Event::DocumentStart(..) if root.is_some() => {
                return Err(NotRead::at(&span, "a second document begins", "give each document a file of its own"));
            }
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(_, anchor, tag)
            | Event::MappingStart(_, anchor, tag)
                if anchor > 0 || tag.is_some() =>
            {
                return Err(NotRead::at(&span, "anchors and tags are not read here", "write the value itself"));
            }
            Event::Alias(_) | Event::UnresolvedAlias(_) => {
                return Err(NotRead::at(&span, "aliases are not read here", "write the value itself"));
            }
            // Nothing written, as YAML writes it.
            Event::Scalar(text, ScalarStyle::Plain, ..) if text == "~" => {
                Some(Node { line, content: Content::Text(String::new()) })
            }
            Event::Scalar(text, ..) => Some(Node { line, content: Content::Text(text.into_owned()) }),
            Event::SequenceStart(..) => {
                open.push(Open::List(line, Vec::new()));
                None
            }
            Event::MappingStart(..) => {
                open.push(Open::Map(OpenMap { line, entries: Vec::new(), next: None, lines: Names::default() }));
                None
            }
            Event::SequenceEnd | Event::MappingEnd => open.pop().map(|open| match open {
                Open::List(line, items) => Node { line, content: Content::List(items) },
                Open::Map(map) => Node { line: map.line, content: Content::Map(map.entries) },
            }),
            _ => None,
        };
        if let Some(node) = closed {
            match open.last_mut() {
                Some(inside) => put(inside, node)?,
                None => root = Some(node),
            }
        }
    }
    Ok(root.unwrap_or(Node { line: 1, content: Content::Text(String::new()) }))
}

/// Puts a node where the next one belongs: into a list, under the key before it, or it is itself a key.
fn put(inside: &mut Open, node: Node) -> Result<(), NotRead> {
    match inside {
        Open::List(_, items) => items.push(node),
        Open::Map(map) => match (map.next.take(), node) {
            (Some(key), node) => map.entries.push((key, node)),
            (None, Node { line, content: Content::Text(text) }) => {
                if let Some(before) = map.lines.add(text.clone(), line) {
                    let text = format!("{text} stands here already, in line {before}");
                    return Err(NotRead { line, text, hint: "remove one of the two" });
                }
                map.next = Some(Key { text, line });
            }
            (None, node) => {
                let text = "a key must be a word".to_owned();
                return Err(NotRead { line: node.line, text, hint: "write `key: value`" });
            }
        },
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(node: &Node) -> String {
        match &node.content {
            Content::Text(text) => format!("{text}@{}", node.line),
            Content::List(items) => format!("[{}]", items.iter().map(shown).collect::<Vec<_>>().join(" ")),
            Content::Map(entries) => {
                let entry = |(key, value): &(Key, Node)| format!("{}@{}={}", key.text, key.line, shown(value));
                format!("{{{}}}", entries.iter().map(entry).collect::<Vec<_>>().join(" "))
            }
        }
    }

    #[test]
    fn nodes_know_their_lines_and_words_stay_words() {
        let text = "# events\na:\n  - no\n  - {b: 1, c: \"x: y\"}\nd:\n";
        assert_eq!(shown(&read(text).unwrap()), "{a@2=[no@3 {b@4=1@4 c@4=x: y@4}] d@5=@5}");
        assert_eq!(shown(&read("").unwrap()), "@1");
    }

    #[test]
    fn what_is_no_plain_tree_is_refused_with_its_line() {
        let line = |text: &str| read(text).map(|node| shown(&node)).unwrap_err().line;
        assert_eq!(line("a: 1\nb: 2\na: 3\n"), 3);
        assert_eq!(line("a: 1\n---\nb: 2\n"), 2);
        assert_eq!(line("a: &x 1\nb: *x\n"), 1);
        assert_eq!(line("a: 1\nb: !!str 2\n"), 2);
        assert_eq!(line("a: 1\n? [b]\n: 2\n"), 2);
        assert_eq!(line("a: [1\nb: 2\n"), 2);
        assert!(read(&"[".repeat(10_000)).is_err(), "and not the end of the program");
    }
}
