//! The order of versions: numbers by their value, then what is not released yet, as in semantic versioning.

use std::cmp::Ordering;

/// Which of two versions is earlier. What follows a `+` says how it was built and does not count.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    let (a, b) = (Version::of(left), Version::of(right));
    parts(a.epoch, b.epoch, ".")
        .then_with(|| parts(a.numbers, b.numbers, "0"))
        .then_with(|| match (a.unreleased, b.unreleased) {
            (None, None) => Ordering::Equal,
            // `2.0.0-rc.1` comes before `2.0.0`.
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some(a), Some(b)) => parts(a, b, ""),
        })
}

/// The parts of a version that have an order.
struct Version<'a> {
    epoch: &'a str,
    numbers: &'a str,
    unreleased: Option<&'a str>,
}

impl Version<'_> {
    fn of(text: &str) -> Version<'_> {
        let (epoch, text) = text.split_once(':').unwrap_or(("0", text));
        let text = text.split('+').next().unwrap_or(text);
        let (numbers, unreleased) = match text.split_once(['-', '~']) {
            Some((numbers, rest)) => (numbers, Some(rest)),
            None => (text, None),
        };
        Version {
            epoch,
            numbers,
            unreleased,
        }
    }
}

/// Parts between dots, from the first; `missing` stands where one has fewer of them.
fn parts(left: &str, right: &str, missing: &str) -> Ordering {
    let (mut a, mut b) = (left.split('.'), right.split('.'));
    loop {
        let order = match (a.next(), b.next()) {
            (None, None) => return Ordering::Equal,
            (a, b) => part(a.unwrap_or(missing), b.unwrap_or(missing)),
        };
        if order.is_ne() {
            return order;
        }
    }
}

/// Numbers by their value and before words.
fn part(left: &str, right: &str) -> Ordering {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match (digits(left), digits(right)) {
        (true, true) => {
            let (a, b) = (left.trim_start_matches('0'), right.trim_start_matches('0'));
            a.len().cmp(&b.len()).then_with(|| a.cmp(b))
        }
        // Nothing at all comes before everything.
        (true, false) if !right.is_empty() => Ordering::Less,
        (false, true) if !left.is_empty() => Ordering::Greater,
        _ => left.cmp(right),
    }
}

#[cfg(test)]
mod tests {
    use super::compare;

    #[test]
    fn each_is_earlier_than_the_next() {
        let order = [
            "0.9",
            "1.2.0-rc.1",
            "1.2.0-rc.2",
            "1.2.0-rc.10",
            "1.2",
            "1.2.1",
            "1.10.0",
            "2.0.0~beta",
            "2.0.0",
            "1:0.1",
        ];
        for (index, a) in order.iter().enumerate() {
            for (other, b) in order.iter().enumerate() {
                assert_eq!(compare(a, b), index.cmp(&other), "{a} and {b}");
            }
        }
        assert!(compare("1.2", "1.2.0+build.7").is_eq());
    }
}
