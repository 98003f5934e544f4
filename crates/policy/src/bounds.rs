//! What a policy set may hold before Cedar looks at it. Cedar's reading of nested expressions takes stack for each level,
//! about 18 KiB in brackets and 2 KiB in a chain, and its types are copied wherever they are named. A set comes from a
//! caller: without a bound a text of some hundred brackets ends the process, and one of thirty lines fills its memory.

use std::collections::BTreeMap;

use daybook_kernel::authorisation::PolicyProblem;

use crate::text::{Token, Tokens};

/// Brackets inside brackets.
const NESTING_MAX: usize = 24;
/// Operators, accesses, calls, sets and records in one policy; an `if` counts twice.
const STEPS_MAX: usize = 600;
/// Types with a name in one schema.
const TYPES_MAX: usize = 200;
/// Types in one schema after each name was replaced with what it stands for.
const TYPES_WRITTEN_OUT_MAX: u64 = 50_000;

/// Whether the policies can be read in bounded stack.
pub(crate) fn check_policies(text: &str) -> Result<(), Vec<PolicyProblem>> {
    check_nesting("policies", text)?;
    let mut steps = 0;
    let mut before = "";
    for Token { text: token, line } in Tokens::of(text).without_strings() {
        steps += match token {
            ";" => {
                steps = 0;
                0
            }
            "if" => 2,
            "in" | "has" | "like" | "is" => 1,
            "(" | "[" | "{" | "." | "+" | "-" | "*" | "/" | "%" => 1,
            // The second half of an operator.
            "&" | "|" | "=" | "<" | ">" | "!" => usize::from(!matches!(before, "&" | "|" | "=" | "<" | ">" | "!")),
            _ => 0,
        };
        before = token;
        if steps > STEPS_MAX {
            return Err(too_much(
                "policies",
                line,
                &format!("a policy has more than {STEPS_MAX} operators and accesses"),
            ));
        }
    }
    Ok(())
}

/// Whether the schema can be read in bounded stack and memory.
pub(crate) fn check_schema(text: &str) -> Result<(), Vec<PolicyProblem>> {
    check_nesting("schema", text)?;
    let (types, others) = named_types(text);
    if types.len() > TYPES_MAX {
        return Err(too_much("schema", 0, &format!("it has more than {TYPES_MAX} types with names")));
    }
    let sizes = written_out(&types, |_| 1);
    let size_of = |sizes: &BTreeMap<&str, u64>, names: &[&str]| {
        names.iter().fold(1_u64, |sum, name| sum.saturating_add(sizes.get(name).copied().unwrap_or(1)))
    };
    let all = sizes.values().fold(size_of(&sizes, &others), |sum, size| sum.saturating_add(*size));
    if all > TYPES_WRITTEN_OUT_MAX {
        let what = format!("written out it has more than {TYPES_WRITTEN_OUT_MAX} types");
        return Err(too_much("schema", 0, &what));
    }
    Ok(())
}

/// How large each type with a name is once each name in it was replaced with what it stands for: the sum of what its words
/// and signs weigh.
pub(crate) fn written_out<'a>(
    types: &BTreeMap<&'a str, Vec<&'a str>>,
    weight: impl Fn(&str) -> u64,
) -> BTreeMap<&'a str, u64> {
    // In each round the types that name only types that are known come out right; those that name themselves never do,
    // and are for Cedar to refuse.
    let mut sizes: BTreeMap<&str, u64> = types.keys().map(|name| (*name, 1)).collect();
    for _ in 0..types.len() {
        let sum = |names: &[&str]| {
            let sizes = names.iter().map(|name| sizes.get(name).copied().unwrap_or_else(|| weight(name)));
            sizes.fold(1_u64, u64::saturating_add)
        };
        let next = types.iter().map(|(name, names)| (*name, sum(names))).collect();
        if next == sizes {
            break;
        }
        sizes = next;
    }
    sizes
}

/// The types that have names, each with the names in it, and the names in everything else. Of a name in a namespace only
/// the last part counts, so two types of one name are taken together.
pub(crate) fn named_types(text: &str) -> (BTreeMap<&str, Vec<&str>>, Vec<&str>) {
    let (mut types, mut others) = (BTreeMap::<_, Vec<_>>::new(), Vec::new());
    let mut tokens = Tokens::of(text).without_strings().map(|token| token.text);
    while let Some(token) = tokens.next() {
        if token != "type" {
            others.push(token);
            continue;
        }
        let Some(name) = tokens.next() else { break };
        let names: &mut Vec<_> = types.entry(name).or_default();
        names.extend(tokens.by_ref().take_while(|token| *token != ";"));
    }
    (types, others)
}

fn check_nesting(part: &'static str, text: &str) -> Result<(), Vec<PolicyProblem>> {
    let mut open = 0_usize;
    for Token { text: token, line } in Tokens::of(text).without_strings() {
        match token {
            "(" | "[" | "{" => open += 1,
            // Only in a schema are they brackets.
            "<" if part == "schema" => open += 1,
            ")" | "]" | "}" => open = open.saturating_sub(1),
            ">" if part == "schema" => open = open.saturating_sub(1),
            _ => {}
        }
        if open > NESTING_MAX {
            return Err(too_much(part, line, &format!("more than {NESTING_MAX} brackets are inside each other")));
        }
    }
    Ok(())
}

pub(crate) fn too_much(part: &'static str, line: usize, what: &str) -> Vec<PolicyProblem> {
    let message = format!("{what}; write it in several policies or types");
    vec![PolicyProblem { part, line, column: 0, message }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(condition: &str) -> String {
        format!("permit(principal, action, resource) when {{ {condition} }};")
    }

    fn nested(levels: usize) -> String {
        policy(&format!("{}true{}", "(".repeat(levels), ")".repeat(levels)))
    }

    #[test]
    fn what_is_nested_too_deeply_or_too_long_is_refused_with_its_line() {
        assert_eq!(check_policies(&nested(NESTING_MAX - 1)), Ok(()));
        let problems = check_policies(&format!("\n{}", nested(NESTING_MAX))).unwrap_err();
        assert_eq!((problems[0].part, problems[0].line), ("policies", 2));
        let long = |operators: usize| policy(&format!("{}true", "true && ".repeat(operators)));
        assert_eq!(check_policies(&long(STEPS_MAX - 2)), Ok(()));
        assert!(check_policies(&long(STEPS_MAX)).is_err());
        assert_eq!(check_policies(&long(STEPS_MAX / 2).repeat(9)), Ok(()), "each policy counts for itself");
        assert!(check_schema(&format!("entity A {{ a: {}", "Set<".repeat(NESTING_MAX + 1))).is_err());
    }

    #[test]
    fn strings_and_comments_do_not_count_and_hide_nothing() {
        let brackets = "(".repeat(100);
        for harmless in [format!("\"{brackets}\""), format!("\"\\\"{brackets}\""), format!("// {brackets}\n")] {
            assert_eq!(check_policies(&policy(&harmless)), Ok(()), "{harmless}");
        }
        for hidden in [format!("\"\\\\\" {brackets}"), format!("// \"\r{brackets}"), format!("\"//\" {brackets}")] {
            assert!(check_policies(&policy(&hidden)).is_err(), "{hidden}");
        }
    }

    #[test]
    fn a_schema_that_would_fill_the_memory_is_refused() {
        let doubling = |types: usize| {
            let one = |n| format!("type T{} = {{ a: T{n}, b: T{n} }};\n", n + 1);
            format!("type T0 = String;\n{}entity A {{ a: T{types} }};", (0..types).map(one).collect::<String>())
        };
        assert_eq!(check_schema(&doubling(8)), Ok(()));
        assert!(check_schema(&doubling(30)).is_err());
        let in_other_order: Vec<_> = doubling(30).lines().rev().map(ToOwned::to_owned).collect();
        assert!(check_schema(&in_other_order.join("\n")).is_err());
        assert_eq!(check_schema("type A = { a: B }; type B = String; entity C { a: A };"), Ok(()));
    }

    /// The smallest stack that a thread of a node has, less what its callers take.
    #[test]
    fn what_passes_is_read_in_the_stack_that_a_node_has() {
        const STACK_BYTES: usize = 1_792 << 10;
        let levels = NESTING_MAX - 2;
        let conditions = [
            format!("{}true{}", "(".repeat(levels), ")".repeat(levels)),
            format!("{}true{}", "[".repeat(levels), "]".repeat(levels)),
            format!("{}1{}.a == 1", "{a:".repeat(levels), "}".repeat(levels)),
            format!("{}true{}", "if true then ".repeat(290), " else false".repeat(290)),
            format!("{}true", "if true then true else ".repeat(290)),
            format!("{}true", "true && ".repeat(590)),
            format!("principal{}", ".a".repeat(590)),
            format!("1{} == 1", " + 1".repeat(590)),
            format!("{}{}true{}", "(".repeat(levels), "if true then true else ".repeat(280), ")".repeat(levels)),
        ];
        for condition in conditions {
            let text = policy(&condition);
            assert_eq!(check_policies(&text), Ok(()), "{text}");
            let read = move || crate::set::PolicySet::checked(&text, "entity User;").map(drop).is_ok();
            let read = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(read).unwrap();
            // What overflows the stack ends the test program; whether Cedar likes the policy does not matter here.
            let _ = read.join().unwrap();
        }
    }
}
