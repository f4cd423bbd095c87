//! Literals and operators.

/// A literal, classified; numbers of all units in their base unit.
#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    /// `true`, `false`
    Bool(bool),
    /// `42`, `1_000`
    Int(i64),
    /// `2.5`
    Float(f64),
    /// `512MiB`, `8GB`; in bytes
    Bytes(u64),
    /// `10Gbps`; in bits per second
    Rate(u64),
    /// `30s`, `5min`, `500ms`; in nanoseconds
    Duration(u64),
    /// `2.4GHz`; in hertz
    Frequency(u64),
    /// `25%`; in percent
    Percent(f64),
    /// `10.20.0.1`, `fd00::1`
    Ip(std::net::IpAddr),
    /// `10.20.0.0/24`
    Cidr(ipnet::IpNet),
    /// `52:54:00:12:34:56`
    Mac([u8; 6]),
}

/// Operators before an operand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UnaryOperator {
    /// `not`
    Not,
    /// `-`
    Negate,
}

/// Operators between operands, from the loosest binding to the tightest:
/// `??` · `or` · `and` · comparisons (not chained) · `..` · `+ -` · `* / mod`
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BinaryOperator {
    /// `??`
    Otherwise,
    /// `or`
    Or,
    /// `and`
    And,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `in`
    In,
    /// `..`, both ends included
    Range,
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`
    Divide,
    /// `mod`
    Modulo,
}
