//! The nearest known name to a mistyped one.

/// Comparing two names takes time in the product of their lengths.
const MAX_LETTERS: usize = 100;

/// The candidate with the smallest edit distance to `wrong`, if that is near enough to be a slip.
/// Distance is that of Damerau and Levenshtein in its restricted form (optimal string alignment),
/// letter case counting as nothing; at most a third of the letters may differ. Nothing is near a very long name.
pub fn nearest<'a>(wrong: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let letters = wrong.chars().count();
    if letters > MAX_LETTERS {
        return None;
    }
    let limit = letters.max(3) / 3;
    let lower = wrong.to_lowercase();
    candidates
        .into_iter()
        // Looked at first, since it costs next to nothing.
        .filter(|c| c.len() <= 4 * MAX_LETTERS && c.chars().count().abs_diff(letters) <= limit)
        .filter(|c| *c != wrong)
        .map(|c| (distance(&lower, &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, c)| c)
}

fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Three rows suffice: a swap of neighbours looks two rows back.
    let mut rows = [
        (0..=b.len()).collect::<Vec<_>>(),
        vec![0; b.len() + 1],
        vec![0; b.len() + 1],
    ];
    for i in 1..=a.len() {
        let (now, last, before) = (i % 3, (i + 2) % 3, (i + 1) % 3);
        rows[now][0] = i;
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[last][j] + 1)
                .min(rows[now][j - 1] + 1)
                .min(rows[last][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[before][j - 2] + 1);
            }
            rows[now][j] = best;
        }
    }
    rows[a.len() % 3][b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_slips_and_leaves_strangers_alone() {
        assert_eq!(nearest("pakcage", ["package", "file"]), Some("package"));
        assert_eq!(nearest("Service", ["service"]), Some("service"));
        assert_eq!(nearest("servce", ["service", "sysctl"]), Some("service"));
        assert_eq!(nearest("haproxy", ["nginx", "etcd"]), None);
        assert_eq!(nearest("x", ["y", "zz"]), Some("y"));
        assert_eq!(nearest(&"x".repeat(101), [&*"x".repeat(100)]), None);
    }
}
