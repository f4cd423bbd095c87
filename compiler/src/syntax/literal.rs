//! Classification of the one numeric token: integers, units, percentages and addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

use crate::diagnostics::{Applicability, Code, Diagnostic, Fix, codes::syntax as codes, nearest};
use crate::source::Span;

use super::ast::Literal;

/// Units, what one of them is in the base unit, and what they measure.
const UNITS: &[(&str, u64, Measure)] = &[
    ("B", 1, Measure::Bytes),
    ("kB", 1_000, Measure::Bytes),
    ("MB", 1_000_000, Measure::Bytes),
    ("GB", 1_000_000_000, Measure::Bytes),
    ("TB", 1_000_000_000_000, Measure::Bytes),
    ("KiB", 1 << 10, Measure::Bytes),
    ("MiB", 1 << 20, Measure::Bytes),
    ("GiB", 1 << 30, Measure::Bytes),
    ("TiB", 1 << 40, Measure::Bytes),
    ("bps", 1, Measure::Rate),
    ("kbps", 1_000, Measure::Rate),
    ("Mbps", 1_000_000, Measure::Rate),
    ("Gbps", 1_000_000_000, Measure::Rate),
    ("Tbps", 1_000_000_000_000, Measure::Rate),
    ("ns", 1, Measure::Duration),
    ("us", 1_000, Measure::Duration),
    ("ms", 1_000_000, Measure::Duration),
    ("s", 1_000_000_000, Measure::Duration),
    ("min", 60_000_000_000, Measure::Duration),
    ("h", 3_600_000_000_000, Measure::Duration),
    ("d", 86_400_000_000_000, Measure::Duration),
    ("Hz", 1, Measure::Frequency),
    ("kHz", 1_000, Measure::Frequency),
    ("MHz", 1_000_000, Measure::Frequency),
    ("GHz", 1_000_000_000, Measure::Frequency),
];

/// No number or address has more characters; longer ones are not worth repeating in a message.
const LONGEST: usize = 100;

#[derive(Clone, Copy)]
enum Measure {
    Bytes,
    Rate,
    Duration,
    Frequency,
}

/// Why a numeric token means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    code: Code,
    message: String,
    help: Option<String>,
    /// What to write instead.
    instead: Option<(String, Applicability)>,
}

impl Problem {
    fn new(code: Code, message: impl Into<String>) -> Self {
        Problem {
            code,
            message: message.into(),
            help: None,
            instead: None,
        }
    }

    fn help(self, help: impl Into<String>) -> Self {
        Problem {
            help: Some(help.into()),
            ..self
        }
    }

    /// What is probably meant.
    fn instead(self, text: impl Into<String>) -> Self {
        Problem {
            instead: Some((text.into(), Applicability::Likely)),
            ..self
        }
    }

    /// What is certainly meant.
    fn surely(self, text: impl Into<String>) -> Self {
        Problem {
            instead: Some((text.into(), Applicability::Sure)),
            ..self
        }
    }

    /// The diagnostic of this problem at `span`.
    pub(super) fn diagnostic(self, span: Span) -> Diagnostic {
        let mut diagnostic = Diagnostic::error(self.code, span, self.message);
        diagnostic.help = self.help;
        if let Some((instead, applicability)) = self.instead {
            let title = format!("write `{instead}`");
            diagnostic = diagnostic.add_fix(Fix::new(title, applicability).edit(span, instead));
        }
        diagnostic
    }
}

/// What a numeric token means.
pub(super) fn classify(text: &str) -> Result<Literal, Problem> {
    if text.len() > LONGEST {
        return Err(Problem::new(
            codes::BAD_NUMBER,
            format!("a number of {} characters is too long", text.len()),
        ));
    }
    if text.contains(':') {
        return with_colons(text);
    }
    if let Some((address, length)) = text.split_once('/') {
        return match address.contains('.') {
            true => ipv4_network(text, address, length),
            false => Err(Problem::new(
                codes::BAD_NUMBER,
                format!("`{text}` is neither a number nor a network"),
            )
            .help("a division needs spaces around `/`")
            .surely(format!("{address} / {length}"))),
        };
    }
    if text.matches('.').count() >= 2 {
        return ipv4(text).map(|address| Literal::Ip(IpAddr::V4(address)));
    }
    quantity(text)
}

fn with_colons(text: &str) -> Result<Literal, Problem> {
    let groups: Vec<&str> = text.split(':').collect();
    if groups.len() == 6 && groups.iter().all(|g| g.len() == 2) {
        let octets: Option<Vec<u8>> = groups.iter().map(|g| u8::from_str_radix(g, 16).ok()).collect();
        if let Some(mac) = octets.and_then(|o| <[u8; 6]>::try_from(o).ok()) {
            return Ok(Literal::Mac(mac));
        }
        return Err(
            Problem::new(codes::BAD_ADDRESS, format!("`{text}` is no hardware address"))
                .help("each of the six parts has two hexadecimal digits, such as `52:54:00:12:34:56`"),
        );
    }
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let Ok(parsed) = address.parse::<Ipv6Addr>() else {
        return Err(Problem::new(
            codes::BAD_ADDRESS,
            format!("`{address}` is neither an IPv6 nor a hardware address"),
        )
        .help("IPv6 is written `fd00::1`, a hardware address `52:54:00:12:34:56`"));
    };
    match length {
        None => Ok(Literal::Ip(IpAddr::V6(parsed))),
        Some(length) => network(text, IpAddr::V6(parsed), length, 128),
    }
}

fn ipv4(text: &str) -> Result<Ipv4Addr, Problem> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let bad =
        |why: String| Problem::new(codes::BAD_ADDRESS, format!("`{text}` is no IPv4 address")).help(why);
    let parts: Vec<&str> = text.split('.').collect();
    if parts.iter().any(|p| !p.bytes().all(|b| b.is_ascii_digit())) {
        return Err(bad(
            "an IPv4 address has four numbers, such as `10.20.0.1`; other text stands in quotes".into(),
        ));
    }
    if parts.len() != 4 {
        return Err(bad(format!(
            "an IPv4 address has four numbers, this has {}",
            parts.len()
        )));
    }
    if let Some(zero) = parts.iter().find(|p| p.len() > 1 && p.starts_with('0')) {
        let plain: Vec<&str> = parts.iter().map(|p| trim_zeros(p)).collect();
        let problem = bad(format!(
            "`{zero}` begins with a zero, which some programs read as octal"
        ));
        return Err(problem.instead(plain.join(".")));
    }
    let large = parts
        .iter()
        .find(|p| p.parse::<u8>().is_err())
        .copied()
        .unwrap_or_default();
    Err(bad(format!("`{large}` is more than 255")))
}

fn trim_zeros(text: &str) -> &str {
    let trimmed = text.trim_start_matches('0');
    if trimmed.is_empty() { "0" } else { trimmed }
}

fn ipv4_network(text: &str, address: &str, length: &str) -> Result<Literal, Problem> {
    let address = ipv4(address)?;
    network(text, IpAddr::V4(address), length, 32)
}

fn network(text: &str, address: IpAddr, length: &str, longest: u8) -> Result<Literal, Problem> {
    let Some(bits) = length.parse::<u8>().ok().filter(|bits| *bits <= longest) else {
        return Err(
            Problem::new(codes::BAD_ADDRESS, format!("`{text}` is no network"))
                .help(format!("the length after `/` is a number from 0 to {longest}")),
        );
    };
    let Ok(network) = IpNet::new(address, bits) else {
        return Err(Problem::new(
            codes::BAD_ADDRESS,
            format!("`{text}` is no network"),
        ));
    };
    if network.addr() != network.network() {
        let base = network.trunc();
        return Err(Problem::new(
            codes::HOST_BITS,
            format!("`{text}` is an address within a network, not the network"),
        )
        .help(format!("the network is `{base}`, the address is `{address}`"))
        .instead(base.to_string()));
    }
    Ok(Literal::Cidr(network))
}

fn quantity(text: &str) -> Result<Literal, Problem> {
    if let Some(number) = text.strip_suffix('%') {
        return match decimal(number) {
            Some(percent) => Ok(Literal::Percent(percent)),
            None => Err(not_a_number(text)),
        };
    }
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    if number.ends_with('_') {
        return Err(not_a_number(text));
    }
    if unit.is_empty() {
        return plain(text);
    }
    let Some((_, factor, measure)) = UNITS.iter().find(|(name, ..)| *name == unit) else {
        return Err(unknown_unit(text, number, unit));
    };
    let Some(value) = scaled(number, *factor) else {
        return Err(match decimal(number) {
            None => not_a_number(text),
            Some(_) => Problem::new(
                codes::BAD_NUMBER,
                format!("`{text}` cannot be told exactly in its smallest unit"),
            )
            .help("the number is too large, or has more digits after the point than the unit"),
        });
    };
    Ok(match measure {
        Measure::Bytes => Literal::Bytes(value),
        Measure::Rate => Literal::Rate(value),
        Measure::Duration => Literal::Duration(value),
        Measure::Frequency => Literal::Frequency(value),
    })
}

fn plain(text: &str) -> Result<Literal, Problem> {
    if text.contains('.') {
        return decimal(text)
            .map(Literal::Float)
            .ok_or_else(|| not_a_number(text));
    }
    let digits = digits(text).ok_or_else(|| not_a_number(text))?;
    digits.parse().map(Literal::Int).map_err(|_| {
        Problem::new(codes::BAD_NUMBER, format!("`{text}` is too large"))
            .help(format!("the largest number is {}", i64::MAX))
    })
}

fn unknown_unit(text: &str, number: &str, unit: &str) -> Problem {
    let problem = Problem::new(codes::BAD_NUMBER, format!("unknown unit `{unit}` in `{text}`"));
    let slip = match unit {
        "K" | "k" | "KB" | "kb" => Some("kB"),
        "M" | "m" => Some(if unit == "M" { "MB" } else { "min" }),
        "G" => Some("GB"),
        "T" => Some("TB"),
        "sec" | "secs" | "second" | "seconds" => Some("s"),
        "minute" | "minutes" | "mins" => Some("min"),
        "hour" | "hours" => Some("h"),
        "day" | "days" => Some("d"),
        _ => nearest(unit, UNITS.iter().map(|(name, ..)| *name)),
    };
    let (first, digits) = unit.split_at(unit.chars().next().map_or(0, char::len_utf8));
    let other_form = match (number, first) {
        (_, "e" | "E") => digits.bytes().all(|b| b.is_ascii_digit()),
        ("0", "x" | "X" | "o" | "b") => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        _ => false,
    };
    match slip {
        _ if other_form && !digits.is_empty() => {
            problem.help("numbers are written out in decimal digits, such as `10_000`")
        }
        Some(near) => problem.help(format!("did you mean `{number}{near}`?")).instead(format!("{number}{near}")),
        None => problem.help(
            "sizes are in B, kB, MB, GB, TB, KiB, MiB, GiB, TiB; rates in bps to Tbps; durations in ns, us, ms, s, \
             min, h, d; frequencies in Hz to GHz",
        ),
    }
}

fn not_a_number(text: &str) -> Problem {
    Problem::new(codes::BAD_NUMBER, format!("`{text}` is no number"))
        .help("digits can be grouped by single `_`, and one `.` stands between digits")
}

/// The digits without `_`, which must stand between digits.
fn digits(text: &str) -> Option<String> {
    let good = !text.is_empty()
        && !text.starts_with('_')
        && !text.ends_with('_')
        && !text.contains("__")
        && text.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    good.then(|| text.replace('_', ""))
}

fn decimal(text: &str) -> Option<f64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    format!("{}.{}", digits(whole)?, digits(fraction)?)
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
}

/// `number` times `factor`, if that is a whole number that fits.
fn scaled(number: &str, factor: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u128 = digits(whole)?.parse().ok()?;
    let fraction = digits(fraction)?;
    let fraction = fraction.trim_end_matches('0');
    let power = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part: u128 = if fraction.is_empty() {
        0
    } else {
        fraction.parse().ok()?
    };
    let smallest = part.checked_mul(u128::from(factor))?;
    if smallest % power != 0 {
        return None;
    }
    let total = whole
        .checked_mul(u128::from(factor))?
        .checked_add(smallest / power)?;
    u64::try_from(total).ok()
}

#[cfg(test)]
mod tests {
    use super::{Literal, classify};

    fn good(text: &str) -> Literal {
        classify(text).unwrap()
    }

    fn bad(text: &str) -> String {
        let problem = classify(text).unwrap_err();
        format!(
            "{}: {} [{}]",
            problem.code.0,
            problem.message,
            problem.instead.map_or_else(String::new, |(text, _)| text)
        )
    }

    #[test]
    fn quantities_are_told_in_their_base_unit() {
        assert_eq!(good("1_000"), Literal::Int(1000));
        assert_eq!(good("2.5"), Literal::Float(2.5));
        assert_eq!(good("512MiB"), Literal::Bytes(512 << 20));
        assert_eq!(good("1.5GB"), Literal::Bytes(1_500_000_000));
        assert_eq!(good("10Gbps"), Literal::Rate(10_000_000_000));
        assert_eq!(good("5min"), Literal::Duration(300_000_000_000));
        assert_eq!(good("2.4GHz"), Literal::Frequency(2_400_000_000));
        assert_eq!(good("25%"), Literal::Percent(25.0));
    }

    #[test]
    fn addresses_are_read() {
        assert_eq!(good("10.20.0.1"), Literal::Ip("10.20.0.1".parse().unwrap()));
        assert_eq!(good("fd00::1"), Literal::Ip("fd00::1".parse().unwrap()));
        assert_eq!(
            good("10.20.0.0/24"),
            Literal::Cidr("10.20.0.0/24".parse().unwrap())
        );
        assert_eq!(good("fd00::/64"), Literal::Cidr("fd00::/64".parse().unwrap()));
        assert_eq!(
            good("52:54:00:12:34:56"),
            Literal::Mac([0x52, 0x54, 0, 0x12, 0x34, 0x56])
        );
    }

    #[test]
    fn what_means_nothing_is_told_with_its_reason() {
        assert_eq!(bad("300.1.2.3"), "E0111: `300.1.2.3` is no IPv4 address []");
        assert_eq!(bad("10.0.0.0/33"), "E0111: `10.0.0.0/33` is no network []");
        assert_eq!(
            bad("10.20.0.5/24"),
            "E0112: `10.20.0.5/24` is an address within a network, not the network [10.20.0.0/24]"
        );
        assert_eq!(bad("5parsecs"), "E0110: unknown unit `parsecs` in `5parsecs` []");
        assert_eq!(
            bad("5seconds"),
            "E0110: unknown unit `seconds` in `5seconds` [5s]"
        );
        assert_eq!(
            bad("10/2"),
            "E0110: `10/2` is neither a number nor a network [10 / 2]"
        );
        assert_eq!(
            bad("010.0.0.1"),
            "E0111: `010.0.0.1` is no IPv4 address [10.0.0.1]"
        );
        assert_eq!(
            bad("99999999999999999999"),
            "E0110: `99999999999999999999` is too large []"
        );
        assert_eq!(
            bad("0.5ns"),
            "E0110: `0.5ns` cannot be told exactly in its smallest unit []"
        );
        assert_eq!(bad("1__0"), "E0110: `1__0` is no number []");
        assert_eq!(
            bad("zz::1"),
            "E0111: `zz::1` is neither an IPv6 nor a hardware address []"
        );
    }
}
