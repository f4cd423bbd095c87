//! From what the grammar expected to what a person should know.

use pest::error::{Error, ErrorVariant, InputLocation};

use crate::diagnostics::{Code, Diagnostic, codes::syntax as codes, foreign, nearest};
use crate::source::Span;

use super::grammar::Rule;
use super::layout::ITEM_WORDS;
use super::token::{Token, TokenKind};

/// Words that begin statements.
pub const STATEMENT_WORDS: &[&str] = &[
    "let", "nodes", "node", "run", "out", "requires", "provides", "needs", "accept", "deploy", "assert",
    "expect", "key", "if", "for", "match", "use",
];

/// Words that cannot be names.
pub const RESERVED_WORDS: &[&str] = &[
    "true", "false", "if", "then", "else", "for", "in", "or", "and", "not", "mod", "match",
];

/// Names of types that the language itself has.
pub(crate) const BUILTIN_TYPES: [&str; 24] = [
    "Bool",
    "Int",
    "Float",
    "String",
    "Bytes",
    "Rate",
    "Duration",
    "Frequency",
    "Percent",
    "Ip",
    "Cidr",
    "Mac",
    "Domain",
    "Url",
    "Path",
    "Version",
    "Regex",
    "List",
    "Map",
    "Secret",
    "Step",
    "Nodes",
    "Node",
    "Image",
];

/// Types of the prelude, for "did you mean": names are looked up later, but a slip is seen here.
const PRELUDE_TYPES: [&str; 3] = ["Port", "Vlan", "Mode"];

/// Stands for an `on` that is missing, in one byte.
const MISSING_ON: &str = "\u{1}";

/// Explains errors of one statement or item.
pub(super) struct Reader<'t> {
    /// The file.
    pub(super) text: &'t str,
    /// Its tokens.
    pub(super) tokens: &'t [Token],
    /// The statement or item.
    pub(super) span: Span,
    /// What ends it.
    pub(super) ends: &'static str,
}

/// What stands around the place of an error.
struct Around<'t> {
    /// The last token before it.
    before: Option<Token>,
    /// The token at it, unless the statement ends there.
    found: Option<Token>,
    text: &'t str,
    expected: Vec<Rule>,
    ends: &'static str,
    /// The word that the item begins with, `pub` aside.
    item: &'t str,
}

impl Around<'_> {
    fn expects(&self, rules: &[Rule]) -> bool {
        self.expected.iter().any(|r| rules.contains(r))
    }

    fn found_text(&self) -> &str {
        self.found.as_ref().map_or("", |t| t.text(self.text))
    }

    fn before_text(&self) -> &str {
        self.before.as_ref().map_or("", |t| t.text(self.text))
    }

    fn after(&self) -> String {
        if self.before.is_some() {
            format!(" after {}", shown(self.before_text()))
        } else {
            String::new()
        }
    }

    /// `port: Int 80`, `path "/srv"`: a value behind a type, or behind the name of a field.
    fn lacks_assign(&self) -> bool {
        let Some(found) = self.found.filter(|_| self.expects(&[Rule::assign])) else {
            return false;
        };
        let behind_type = self.expects(&[Rule::kw_where]);
        match found.kind {
            TokenKind::Number | TokenKind::String => behind_type || self.expects(&[Rule::colon]),
            TokenKind::Word => behind_type && self.found_text().starts_with(|c: char| c.is_ascii_uppercase()),
            _ => false,
        }
    }

    /// `run a = b() web`, `deploy a = b() lab`
    fn lacks_on(&self) -> bool {
        self.found.is_some_and(|t| t.kind == TokenKind::Word)
            && !RESERVED_WORDS.contains(&self.found_text())
            && self.before_text() == ")"
            && self.expects(&[Rule::run_group, Rule::kw_on])
    }

    fn but_found(&self) -> String {
        if self.found.is_some() {
            format!(", found {}", shown(self.found_text()))
        } else {
            String::new()
        }
    }
}

impl Reader<'_> {
    /// The diagnostic for an error of the grammar, whose text begins at byte `base` of the file.
    pub(super) fn explain(&self, error: &Error<Rule>, base: usize) -> Diagnostic {
        let offset = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => base + at,
        };
        let around = match &error.variant {
            ErrorVariant::ParsingError { positives, .. } => self.around(offset, positives.clone()),
            // The only other error is that the stack is not deep enough.
            ErrorVariant::CustomError { .. } => {
                return Diagnostic::error(codes::TOO_DEEP, self.span, "this is nested too deeply")
                    .help("give the inner part a name with `let` and use that");
            }
        };
        let place = around.found.or(around.before);
        let place = place.map_or(self.span, |t| Span {
            start: t.start,
            end: t.end,
            ..self.span
        });
        let (code, message) = describe(&around);
        let mut problem = Diagnostic::error(code, place, message);
        if let Some(hint) = hint(&around) {
            problem = problem.help(hint);
        }
        if around.found_text() == "=" && around.expects(&[Rule::equal]) {
            return problem.fix(place, "==", "write `==`");
        }
        let before = Span {
            end: place.start,
            ..place
        };
        if around.lacks_assign() {
            return problem.fix(before, "= ", "write `=`");
        }
        if around.lacks_on() {
            return problem.fix(before, "on ", "write `on`");
        }
        self.suggest_word(problem)
    }

    /// What to write over which bytes of the masked copy, where a word is plainly missing: what stands behind it is read
    /// as if it were there.
    pub(super) fn slip(&self, error: &Error<Rule>, base: usize) -> Option<(usize, &'static str)> {
        let (InputLocation::Pos(at) | InputLocation::Span((at, _))) = error.location;
        let ErrorVariant::ParsingError { positives, .. } = &error.variant else {
            return None;
        };
        let around = self.around(base + at, positives.clone());
        let (before, found) = around.before.zip(around.found)?;
        let blank = (found.start as usize).checked_sub(1)?;
        if before.end as usize > blank {
            return None;
        }
        let condition = matches!(self.item(), "if" | "assert");
        match () {
            () if around.found_text() == "=" && around.expects(&[Rule::equal]) && condition => {
                Some((blank, "=="))
            }
            () if around.lacks_assign() => Some((blank, "=")),
            () if around.lacks_on() => Some((blank, MISSING_ON)),
            () => None,
        }
    }

    /// A comma with nothing before it.
    pub(super) fn empty_statement(&self) -> Diagnostic {
        let around = self.around(self.span.start as usize, Vec::new());
        let next = self
            .tokens
            .iter()
            .find(|t| t.start >= self.span.start && !t.is_trivia());
        let place = next.map_or(self.span, |t| Span {
            start: t.start,
            end: t.end,
            ..self.span
        });
        Diagnostic::error(
            codes::UNEXPECTED,
            place,
            format!("expected a statement{}, found `,`", around.after()),
        )
        .help("remove the `,`")
        .fix(place, "", "remove the `,`")
    }

    fn around(&self, offset: usize, expected: Vec<Rule>) -> Around<'_> {
        let (from, to) = (self.span.start as usize, self.span.end as usize);
        let index = self.tokens.partition_point(|t| (t.end as usize) <= offset);
        let found = self.tokens[index..]
            .iter()
            .find(|t| !t.is_trivia())
            .filter(|t| (t.start as usize) < to);
        let before = self.tokens[..index].iter().rev().find(|t| !t.is_trivia());
        let before = before.filter(|t| (t.start as usize) >= from || found.is_none());
        Around {
            before: before.copied(),
            found: found.copied(),
            text: self.text,
            expected,
            ends: self.ends,
            item: self.item(),
        }
    }

    /// The first word that is not `pub`.
    fn item(&self) -> &str {
        let index = self.tokens.partition_point(|t| t.start < self.span.start);
        let words = self.tokens[index..].iter().filter(|t| !t.is_trivia());
        let mut words = words.map(|t| t.text(self.text)).skip_while(|t| *t == "pub");
        words.next().unwrap_or_default()
    }

    /// `requries node.files` is read as a step of the kind `requries`; the nearest word says it better.
    fn suggest_word(&self, problem: Diagnostic) -> Diagnostic {
        let index = self.tokens.partition_point(|t| t.start < self.span.start);
        let mut words = self.tokens[index..].iter().filter(|t| !t.is_trivia());
        let Some(first) = words
            .next()
            .filter(|t| t.kind == TokenKind::Word && problem.help.is_none())
        else {
            return problem;
        };
        let word = first.text(self.text);
        let known = STATEMENT_WORDS.contains(&word) || ITEM_WORDS.contains(&word);
        let two_words = words.next().is_some_and(|t| t.kind == TokenKind::Word);
        match nearest(word, STATEMENT_WORDS.iter().copied().filter(|w| w.len() > 2)) {
            Some(near) if !known && two_words => {
                let span = Span {
                    start: first.start,
                    end: first.end,
                    ..self.span
                };
                problem.help(format!("did you mean `{near}`?")).likely_fix(
                    span,
                    near,
                    format!("write `{near}`"),
                )
            }
            _ => problem,
        }
    }
}

const VALUES: &[Rule] = &[
    Rule::expression,
    Rule::operation,
    Rule::value,
    Rule::number,
    Rule::boolean,
    Rule::list,
    Rule::record,
    Rule::parenthesised,
    Rule::negate,
    Rule::argument,
    Rule::plain_value,
    Rule::subject,
];
const TYPE_RULES: &[Rule] = &[
    Rule::type_expression,
    Rule::type_member,
    Rule::type_name,
    Rule::generic_type,
    Rule::generic_name,
    Rule::record_type,
];
const NAMES: &[Rule] = &[Rule::name, Rule::new_name, Rule::path, Rule::module_path];

fn describe(around: &Around<'_>) -> (Code, String) {
    let (after, but_found) = (around.after(), around.but_found());
    let found = around.found_text();
    if around.expects(VALUES) {
        return (
            codes::MISSING_VALUE,
            format!("expected a value{after}{but_found}"),
        );
    }
    if around.expects(TYPE_RULES) {
        return (codes::MISSING_TYPE, format!("expected a type{after}{but_found}"));
    }
    // A word alone may become a field, a declaration or a named block: what follows decides what is missing.
    let head = around.expects(&[Rule::assign]) && around.expects(&[Rule::colon]);
    let names = around.expects(NAMES) && !(head && found != "{");
    let begun = head && STATEMENT_WORDS.contains(&around.before_text());
    let parameter = around.expects(&[Rule::parameter]);
    if (names || begun || parameter) && RESERVED_WORDS.contains(&found) {
        return (
            codes::RESERVED_WORD,
            format!("`{found}` is a word of the language and cannot be a name"),
        );
    }
    if names {
        return (
            codes::MISSING_NAME,
            format!("a name is missing{after}{but_found}"),
        );
    }
    if let Some(problem) = construct(around) {
        return problem;
    }
    if around.lacks_assign() {
        return (codes::UNEXPECTED, format!("expected `=`{after}{but_found}"));
    }
    if head && around.found.is_none() {
        return (
            codes::UNEXPECTED,
            format!("{} alone is no statement", shown(around.before_text())),
        );
    }
    let mut wanted: Vec<&str> = around.expected.iter().filter_map(|r| spelled(*r)).collect();
    if head {
        wanted = vec!["`=`"];
    }
    wanted.sort_unstable();
    wanted.dedup();
    // After a value it is always possible to go on; what should end it is worth telling.
    if around.expects(&[Rule::member]) {
        wanted.retain(|w| *w != "`(`");
    }
    // A run has settings or ends: what else follows on its line was to be its group.
    if around.lacks_on() || around.expects(&[Rule::run_group]) && around.found.is_some() {
        return (codes::UNEXPECTED, format!("expected `on`{after}{but_found}"));
    }
    if wanted.contains(&"`)`") {
        wanted.retain(|w| *w != "`=`");
    }
    let ends = around.expects(&[Rule::end_of_statement, Rule::end_of_item, Rule::EOI]);
    if ends && around.found.is_some() {
        let separator = around.ends;
        return (
            codes::MISSING_SEPARATOR,
            format!("expected {separator} before {}", shown(found)),
        );
    }
    if wanted.is_empty() {
        let message = match around.found {
            Some(_) => format!("{} cannot stand here", shown(found)),
            None => format!("something is missing{after}"),
        };
        return (codes::UNEXPECTED, message);
    }
    (
        codes::UNEXPECTED,
        format!("expected {}{after}{but_found}", listed(&wanted)),
    )
}

/// What is wrong with a `match`, `for` or `fn`, where the construct says it better than what may follow.
fn construct(around: &Around<'_>) -> Option<(Code, String)> {
    let (after, but_found) = (around.after(), around.but_found());
    let told = |code, wanted: &str| Some((code, format!("expected {wanted}{after}{but_found}")));
    if around.expects(&[Rule::gives]) {
        return told(codes::MISSING_ARROW, "`=>`");
    }
    if around.before_text() == "=>" && around.expects(&[Rule::block, Rule::open_brace]) {
        return told(codes::MISSING_ARM_BLOCK, "a block");
    }
    if around.expects(&[Rule::kw_in]) && around.expects(&[Rule::comma]) && !around.expects(&[Rule::assign]) {
        return told(codes::MISSING_IN, "`in`");
    }
    // Only a function takes a type or a value behind its parameters.
    let function = around.item == "fn";
    if function && around.expects(&[Rule::assign]) && !around.expects(&[Rule::comma]) {
        return told(codes::FUNCTION_WITHOUT_VALUE, "`=` and a value");
    }
    None
}

/// How a rule is spelled, if it is more than a possibility to go on.
fn spelled(rule: Rule) -> Option<&'static str> {
    Some(match rule {
        Rule::assign => "`=`",
        Rule::colon => "`:`",
        Rule::comma => "`,`",
        Rule::separator => "`,`",
        Rule::open_brace | Rule::block | Rule::use_list | Rule::variant_list => "`{`",
        Rule::close_brace => "`}`",
        Rule::open_paren | Rule::parameters => "`(`",
        Rule::arguments => "`(`",
        Rule::close_paren => "`)`",
        Rule::close_bracket => "`]`",
        Rule::close_angle => "`>`",
        Rule::arrow => "`->`",
        Rule::kw_on | Rule::run_group => "`on`",
        Rule::kw_then => "`then`",
        Rule::kw_else => "`else`",
        Rule::kw_in => "`in`",
        Rule::gives => "`=>`",
        Rule::pattern | Rule::value_arm | Rule::block_arm => "a pattern",
        Rule::variant => "a variant",
        Rule::pattern_field | Rule::variant_field => "a field",
        Rule::kw_gap => "`gap`",
        Rule::kw_policy => "`policy`",
        Rule::kw_error => "`error`",
        Rule::kw_leave => "`leave`",
        Rule::string => "text in quotes",
        Rule::statement => "a statement",
        Rule::use_name => "a name",
        Rule::parameter => "a parameter",
        Rule::record_field => "a field",
        _ => return None,
    })
}

fn listed(wanted: &[&str]) -> String {
    match wanted {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// What to do, where the mistake is one that people make.
fn hint(around: &Around<'_>) -> Option<String> {
    let (before, found) = (around.before_text(), around.found_text());
    match construct(around).map(|(code, _)| code) {
        Some(codes::MISSING_ARROW) => return Some("an arm is written `pattern => value`".into()),
        Some(codes::MISSING_ARM_BLOCK) => {
            return Some("an arm of this `match` holds statements: `pattern => { … }`".into());
        }
        Some(codes::MISSING_IN) => {
            return Some("write `for name in list`, or `for key, value in map`".into());
        }
        Some(codes::FUNCTION_WITHOUT_VALUE) => {
            return Some("a function is one value: `fn name(a: Int): Int = a + 1`".into());
        }
        _ => {}
    }
    if around.expects(VALUES) && found == "if" {
        return Some("an `if` within an `if` stands in parentheses".into());
    }
    if around.expects(TYPE_RULES) && around.found.is_some_and(|t| t.kind == TokenKind::Word) {
        return Some(
            match nearest(found, BUILTIN_TYPES.into_iter().chain(PRELUDE_TYPES)) {
                Some(near) => format!("did you mean `{near}`? types begin with a capital"),
                None => "types begin with a capital; a value is given with `=`".into(),
            },
        );
    }
    if around.expects(TYPE_RULES) && around.found.is_some() && before == ":" {
        return Some("`:` gives a type; a value is given with `=`".into());
    }
    if found == ":" && around.expects(&[Rule::open_brace]) {
        return Some(format!("a block stands in braces: `{before} {{ … }}`"));
    }
    let touching = around
        .before
        .zip(around.found)
        .is_some_and(|(b, f)| b.end == f.start);
    if found == "-" && touching && around.before.is_some_and(|t| t.kind == TokenKind::Word) {
        return Some("names have letters, digits and `_`, but no `-`".into());
    }
    if found == "{" && around.expects(&[Rule::parameters]) {
        return Some(format!("without parameters it is written `{before}()`"));
    }
    if found == "=" && around.expects(&[Rule::equal]) {
        return Some("`=` gives a value, `==` compares".into());
    }
    if around.expects(&[Rule::assign]) && around.expects(&[Rule::colon]) && around.found.is_none() {
        return Some(format!("write `{before} = value`, or `word name {{ … }}`"));
    }
    None
}

/// The word of an item that is probably meant.
pub(super) fn nearest_item(text: &str) -> Option<&'static str> {
    nearest(text, ITEM_WORDS.iter().copied())
}

/// An item that begins with something else than a word of an item.
pub(super) fn unknown_item(span: Span, text: &str, kind: TokenKind) -> Diagnostic {
    if kind != TokenKind::Word {
        let message = format!(
            "expected an item such as `role` or `workload`, found {}",
            shown(text)
        );
        let problem = Diagnostic::error(codes::UNKNOWN_ITEM, span, message);
        return match text {
            "-" => problem.help("a list stands in brackets: `[a, b]`"),
            _ => problem,
        };
    }
    let other = foreign::item(text);
    let near = nearest_item(text).filter(|_| other.is_none());
    let message = match near {
        Some(near) => format!("unknown item `{text}`, did you mean `{near}`?"),
        None => format!("unknown item `{text}`"),
    };
    let problem = Diagnostic::error(codes::UNKNOWN_ITEM, span, message);
    match near {
        Some(near) => problem.likely_fix(span, near, format!("write `{near}`")),
        None if STATEMENT_WORDS.contains(&text) => problem.help(format!(
            "`{text}` is a statement: it stands within the braces of an item"
        )),
        None => problem.help(other.map_or_else(
            || format!("items begin with {}", listed(&quoted(ITEM_WORDS))),
            str::to_owned,
        )),
    }
}

/// `moved web -> pages`: whose group, run or step that is, is not said.
pub(super) fn moved_without_owner(span: Span, name: &str) -> Diagnostic {
    let message = format!("`{name}` does not say what it belongs to");
    Diagnostic::error(codes::MOVED_WITHOUT_OWNER, span, message).help(
        "write the workload or role before it: `moved shop.web -> shop.pages` for a group or run, \
         `moved web_page.index -> web_page.page` for a step",
    )
}

/// A `pub` with nothing after it.
pub(super) fn lonely_pub(span: Span) -> Diagnostic {
    Diagnostic::error(codes::UNEXPECTED, span, "expected an item after `pub`")
}

fn quoted(words: &'static [&'static str]) -> Vec<&'static str> {
    words.iter().copied().filter(|w| *w != "pub").collect()
}

/// User input for a message: in backticks, one line, not too long.
fn shown(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("`{short}`")
}
