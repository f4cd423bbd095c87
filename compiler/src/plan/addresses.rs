//! The addresses of a node. There are as many of these as nodes, in several tables, so they are small and shared.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A node's address on each network: a map sorted by the networks' names. A clone shares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Addresses(Arc<[(Arc<str>, IpAddr)]>);

impl Addresses {
    /// The address on a network.
    pub fn get(&self, network: &str) -> Option<&IpAddr> {
        // A node has a handful at most.
        self.iter()
            .find(|(name, _)| *name == network)
            .map(|(_, address)| address)
    }

    /// Whether there is an address on a network.
    pub fn contains_key(&self, network: &str) -> bool {
        self.get(network).is_some()
    }

    /// Networks and addresses, by network.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &IpAddr)> {
        self.0.iter().map(|(network, address)| (&**network, address))
    }

    /// The networks.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = &str> {
        self.iter().map(|(network, _)| network)
    }

    /// The addresses, by network.
    pub fn values(&self) -> impl ExactSizeIterator<Item = &IpAddr> {
        self.iter().map(|(_, address)| address)
    }

    /// The same with the address on one network given or replaced.
    #[must_use]
    pub fn with(&self, network: impl Into<Arc<str>>, address: IpAddr) -> Addresses {
        let network = network.into();
        let others = self.0.iter().filter(|(name, _)| *name != network).cloned();
        others.chain([(network.clone(), address)]).collect()
    }
}

impl Default for Addresses {
    fn default() -> Addresses {
        Addresses(Arc::new([]))
    }
}

/// Where a network is given twice, the last address counts.
impl<N: Into<Arc<str>>> FromIterator<(N, IpAddr)> for Addresses {
    fn from_iter<I: IntoIterator<Item = (N, IpAddr)>>(pairs: I) -> Addresses {
        let mut sorted: Vec<(Arc<str>, IpAddr)> = Vec::new();
        for (network, address) in pairs {
            let network = network.into();
            match sorted.binary_search_by(|(name, _)| name.cmp(&network)) {
                Ok(place) => sorted[place].1 = address,
                Err(place) => sorted.insert(place, (network, address)),
            }
        }
        Addresses(sorted.into())
    }
}

impl Serialize for Addresses {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Addresses {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Addresses, D::Error> {
        let map = BTreeMap::<String, IpAddr>::deserialize(deserializer)?;
        Ok(map.into_iter().collect())
    }
}

/// That of a map.
impl JsonSchema for Addresses {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        BTreeMap::<String, IpAddr>::schema_name()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        BTreeMap::<String, IpAddr>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::Addresses;
    use std::net::IpAddr;

    #[test]
    fn they_are_a_sorted_map() {
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let both: Addresses = [("front", address(1)), ("back", address(2))]
            .into_iter()
            .collect();
        assert_eq!(both.keys().collect::<Vec<_>>(), ["back", "front"]);
        assert_eq!(both.get("front"), Some(&address(1)));
        assert_eq!(both.with("back", address(3)).get("back"), Some(&address(3)));
        let text = serde_json::to_string(&both).unwrap();
        assert_eq!(text, r#"{"back":"10.0.0.2","front":"10.0.0.1"}"#);
        assert_eq!(serde_json::from_str::<Addresses>(&text).unwrap(), both);
    }
}
