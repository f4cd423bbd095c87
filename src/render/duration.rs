//! Durations as people say them.

/// `350 ms`, `4.2 s`, `45 s`, `2 min 05 s`, `1 h 02 min`.
pub(crate) fn spoken(milliseconds: u64) -> String {
    let seconds = (milliseconds + 500) / 1000;
    match milliseconds {
        0..1000 => format!("{milliseconds} ms"),
        1000..9950 => format!("{:.1} s", milliseconds as f64 / 1000.0),
        9950..119_500 => format!("{seconds} s"),
        119_500..3_599_500 => format!("{} min {:02} s", seconds / 60, seconds % 60),
        _ => format!("{} h {:02} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A time since a beginning: `0:04.217`, `1:02:03.500`.
pub(crate) fn since(milliseconds: u64) -> String {
    let (seconds, rest) = (milliseconds / 1000, milliseconds % 1000);
    let (minutes, second) = (seconds / 60, seconds % 60);
    match minutes / 60 {
        0 => format!("{minutes}:{second:02}.{rest:03}"),
        hours => format!("{hours}:{:02}:{second:02}.{rest:03}", minutes % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_well() {
        let spoken: Vec<String> = [350, 4217, 9960, 45_400, 125_000, 3_720_000].map(spoken).into();
        assert_eq!(
            spoken,
            ["350 ms", "4.2 s", "10 s", "45 s", "2 min 05 s", "1 h 02 min"]
        );
        assert_eq!(since(4217), "0:04.217");
        assert_eq!(since(3_723_500), "1:02:03.500");
    }
}
