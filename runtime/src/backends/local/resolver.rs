//! Which name servers machines ask.

use std::fs;
use std::net::IpAddr;

/// The text for the machines' `/etc/resolv.conf`: this host's own. A name server on this host's loopback cannot
/// be reached from a machine; then what the host's own resolver asks (where systemd-resolved tells) is used.
pub(super) fn of_this_host() -> String {
    let own = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    let upstream = fs::read_to_string("/run/systemd/resolve/resolv.conf").unwrap_or_default();
    choose(&own, &upstream)
}

/// Whether machines can use this host's name servers.
pub(super) fn usable() -> bool {
    servers(&of_this_host()).next().is_some()
}

fn choose(own: &str, upstream: &str) -> String {
    let text = if servers(own).next().is_some() {
        own
    } else {
        upstream
    };
    text.lines()
        .map(str::trim)
        .filter(|line| match line.strip_prefix("nameserver") {
            Some(address) => reachable(address),
            None => !line.is_empty() && !line.starts_with(['#', ';']),
        })
        .map(|line| format!("{line}\n"))
        .collect()
}

fn servers(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter(|address| reachable(address))
}

fn reachable(address: &str) -> bool {
    let address = address.trim();
    address
        .parse::<IpAddr>()
        .map_or(address.contains('%'), |address| !address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::choose;

    #[test]
    fn name_servers_on_loopback_are_left_out() {
        let own = "# made by hand\nnameserver 127.0.0.53\noptions edns0\n";
        assert_eq!(choose(own, "nameserver 192.0.2.53\n"), "nameserver 192.0.2.53\n");
        assert_eq!(
            choose("nameserver 192.0.2.1\nsearch lab\n", ""),
            "nameserver 192.0.2.1\nsearch lab\n"
        );
        assert_eq!(choose("nameserver ::1\n", ""), "");
    }
}
