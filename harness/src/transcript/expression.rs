//! What can be known of a regular expression without compiling it.
//!
//! To compile one takes many times as long as to parse it, and a check of a thousand scenarios does
//! nothing with the result. What compiling refuses beyond what parsing refuses is an automaton of
//! more than 10 MiB, so only an expression that may come near to that is compiled.

use regex::RegexBuilder;
use regex_syntax::ParserBuilder;
use regex_syntax::ast::parse::Parser;
use regex_syntax::hir::{Class, Hir, HirKind};

/// As [`regex`] itself takes it, in multi-line mode: `^` and `$` are line ends.
pub(super) fn compile(source: &str) -> Result<regex::Regex, regex::Error> {
    RegexBuilder::new(source).multi_line(true).build()
}

/// The same expression as a tree.
pub(super) fn tree(source: &str) -> Result<Hir, Box<regex_syntax::Error>> {
    ParserBuilder::new().multi_line(true).build().parse(source).map_err(Box::new)
}

/// Checks that an expression compiles and gives its named groups.
///
/// # Errors
/// What is wrong with it, in one line.
pub fn group_names(source: &str) -> Result<Vec<String>, String> {
    let cannot = |error: String| {
        let last = error.lines().last().unwrap_or_default().trim();
        format!("the expression cannot be used: {}", last.trim_start_matches("error: "))
    };
    Parser::new().parse(source).map_err(|error| {
        let column = error.span().start.column;
        format!("the expression is wrong at its character {column}: {}", error.kind())
    })?;
    let tree = tree(source).map_err(|error| cannot(error.to_string()))?;
    if most_states(&tree) > SURELY_FEW {
        compile(source).map_err(|error| cannot(error.to_string()))?;
    }
    let mut names = Vec::new();
    named_groups(&tree, &mut names);
    Ok(names)
}

/// So many states fit into the 10 MiB at 64 bytes each. One is at most 32 bytes, with one
/// transition and one mention in an alternation 44.
const SURELY_FEW: u64 = (10 << 20) / 64;

/// More states than the automata of the expression have, forwards or backwards.
fn most_states(tree: &Hir) -> u64 {
    // A range of characters is at most 7 sequences of 4 bytes, and 21 where it goes on from 1-byte
    // to 2-byte characters and so on, which can happen in one class only once for each length.
    const RANGE: u64 = 7 * 4;
    const CLASS: u64 = 21 * 4;
    let of_all = |parts: &[Hir]| {
        parts
            .iter()
            .fold(2_u64, |sum, part| sum.saturating_add(2).saturating_add(most_states(part)))
    };
    match tree.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => 1 + literal.0.len() as u64,
        HirKind::Class(Class::Unicode(class)) => CLASS + RANGE * class.ranges().len() as u64,
        HirKind::Class(Class::Bytes(class)) => 2 + class.ranges().len() as u64,
        HirKind::Capture(capture) => most_states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => of_all(parts),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1);
            most_states(&repetition.sub).saturating_add(3).saturating_mul(u64::from(copies))
        }
    }
}

fn named_groups(tree: &Hir, names: &mut Vec<String>) {
    if let HirKind::Capture(capture) = tree.kind() {
        names.extend(capture.name.as_deref().map(str::to_owned));
    }
    tree.kind().subs().iter().for_each(|part| named_groups(part, names));
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_wrong_is_said_with_its_place() {
        for (source, what) in [
            ("(", "wrong at its character 1: unclosed group"),
            ("(?<a>.)(?<a>.)", "wrong at its character 11: duplicate capture group name"),
            ("x(?=y)", "wrong at its character 2: look-around"),
            (r"\p{Klingon}", "cannot be used: Unicode property not found"),
            (r"(?-u:\xff)", "cannot be used: pattern can match invalid UTF-8"),
            (r"\pL{2000}", "cannot be used: Compiled regex exceeds size limit"),
            ("((x{100}){100}){100}", "cannot be used: Compiled regex exceeds size limit"),
        ] {
            let trouble = group_names(source).unwrap_err();
            assert!(trouble.contains(what), "{source}: {trouble}");
        }
        let long = r"\pL".repeat(5_000);
        assert!(group_names(&long).unwrap_err().contains("exceeds size limit"));
    }

    #[test]
    fn an_expression_as_people_write_them_is_not_compiled() {
        for source in [r"E \(\d+\)", r"^(?<word>\w+) = (?<value>[^,;]+)[,;]?.*$", r"\w{3}", ".*"] {
            let most = most_states(&tree(source).unwrap());
            assert!(most <= SURELY_FEW, "{source}: {most} states");
        }
    }

    /// Expressions of all sorts, some of them far too large.
    fn expression() -> impl Strategy<Value = String> {
        let atom = prop::sample::select(vec![
            "a",
            "ab",
            "é",
            "€",
            "(?:)",
            "^",
            r"\b",
            ".",
            "(?s:.)",
            r"\d",
            r"\W",
            r"\pL",
            r"\PL",
            "[^é]",
            "(?i:straße)",
            r"(?-u:\w)",
            r"[\x{7f}-\x{80}]",
            "[a-c€-🙂]",
            "(?:ab|é|)",
        ])
        .prop_map(str::to_owned);
        atom.prop_recursive(5, 40, 4, |inner| {
            let all = prop::collection::vec(inner.clone(), 1..5);
            let counts = prop::sample::select(vec![
                "*", "+", "??", "{0}", "{0,7}", "{12}", "{70,}", "{3,90}?", "{900}",
            ]);
            prop_oneof![
                all.clone().prop_map(|parts| parts.concat()),
                all.prop_map(|parts| format!("(?:{})", parts.join("|"))),
                inner.clone().prop_map(|part| format!("({part})")),
                (inner, counts).prop_map(|(part, count)| format!("(?:{part}){count}")),
            ]
        })
    }

    proptest! {
        #[test]
        fn an_expression_passes_exactly_if_it_compiles(source in expression()) {
            prop_assert_eq!(group_names(&source).is_ok(), compile(&source).is_ok());
        }

        #[test]
        fn groups_have_the_names_that_they_have_compiled(
            parts in prop::collection::vec(0..6_usize, 0..8)
        ) {
            let part = |(n, kind): (usize, &usize)| match kind {
                0 => format!("(?<g{n}>"),
                1 => format!("(?P<g{n}>x(?<h{n}>y)*|"),
                2 => ")?".to_owned(),
                3 => "(".to_owned(),
                4 => "){0}".to_owned(),
                _ => "z|".to_owned(),
            };
            let source: String = parts.iter().enumerate().map(part).collect();
            if let Ok(compiled) = compile(&source) {
                let names: Vec<_> = compiled.capture_names().flatten().collect();
                prop_assert_eq!(group_names(&source).unwrap(), names);
            }
        }
    }
}
