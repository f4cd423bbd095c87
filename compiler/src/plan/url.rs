//! The parts of a URL, as far as the language looks into it.

use std::net::IpAddr;

/// A URL cut into its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Url<'a> {
    /// `http`
    pub(crate) scheme: &'a str,
    /// A name or an address, without brackets.
    pub(crate) host: &'a str,
    /// The port if one is written.
    pub(crate) port: Option<u16>,
    /// Everything from the first `/` on; `/` if there is none.
    pub(crate) path: &'a str,
}

impl<'a> Url<'a> {
    /// Cuts `text`; the error says in a few words what is missing or wrong.
    pub(crate) fn parse(text: &'a str) -> Result<Url<'a>, String> {
        if let Some(bad) = text.chars().find(|c| c.is_whitespace() || c.is_control()) {
            return Err(format!("{bad:?} cannot stand in a URL"));
        }
        let (scheme, rest) = text
            .split_once("://")
            .ok_or("it has no scheme such as `http://`")?;
        if !is_scheme(scheme) {
            return Err(format!("`{scheme}` is not a scheme"));
        }
        let cut = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(cut);
        let authority = authority.rsplit('@').next().unwrap_or(authority);
        let (host, port) = split_port(authority)?;
        if host.is_empty() {
            return Err("it has no host".to_owned());
        }
        if host.contains('$') {
            return Err("`$` cannot stand in its host".to_owned());
        }
        Ok(Url {
            scheme,
            host,
            port,
            path: if path.is_empty() { "/" } else { path },
        })
    }

    /// The port that is written, or the usual one of the scheme.
    pub(crate) fn port_or_default(&self) -> Option<u16> {
        self.port.or(match self.scheme {
            "http" | "ws" => Some(80),
            "https" | "wss" => Some(443),
            "ftp" => Some(21),
            "ssh" | "sftp" => Some(22),
            "ldap" => Some(389),
            "ldaps" => Some(636),
            "postgres" | "postgresql" => Some(5432),
            "mysql" => Some(3306),
            "redis" => Some(6379),
            "amqp" => Some(5672),
            _ => None,
        })
    }
}

/// Whether a `$` stands where host and port are named, in text that is perhaps no URL.
pub(crate) fn has_dollar(text: &str) -> bool {
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    authority.rsplit('@').next().unwrap_or(authority).contains('$')
}

/// Whether `text` can stand before `://`.
pub(crate) fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), String> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err(format!("`{text}` is not a port")),
    };
    if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or("`[` is not closed")?;
        return match after.strip_prefix(':') {
            Some(text) => Ok((host, port(text)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err(format!("`{after}` cannot stand after the host")),
        };
    }
    match authority.split_once(':') {
        // An address of version 6 without brackets has more than one colon.
        Some(_) if authority.parse::<IpAddr>().is_ok() => Ok((authority, None)),
        Some((host, text)) => Ok((host, port(text)?)),
        None => Ok((authority, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::Url;

    #[test]
    fn cuts_urls() {
        let url = Url::parse("http://user@10.20.0.2:8080/a?b").unwrap();
        assert_eq!(
            (url.scheme, url.host, url.port, url.path),
            ("http", "10.20.0.2", Some(8080), "/a?b")
        );
        assert_eq!(Url::parse("https://[fd00::1]:1/").unwrap().host, "fd00::1");
        assert_eq!(Url::parse("https://a").unwrap().port_or_default(), Some(443));
        assert!(Url::parse("a.b/c").is_err());
        assert!(Url::parse("http://:80/").is_err());
        assert!(Url::parse("http://a:99999/").is_err());
        assert!(Url::parse("http://a b/").is_err());
        assert!(Url::parse("http://$host/").is_err());
        assert!(Url::parse("http://host/?price=$1").is_ok());
    }
}
