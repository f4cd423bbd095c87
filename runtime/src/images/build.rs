//! Builds a Debian file system with mmdebstrap.

use std::collections::BTreeMap;
use std::path::Path;

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::Image;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use super::failed;
use crate::backend::{BackendError, Progress};
use crate::backends::{errors, local};

/// Refuses values that no image can be made from, before they become arguments of a program.
pub(super) fn check(image: &Image) -> Result<(), BackendError> {
    let plain = |text: &str| {
        text.starts_with(|first: char| first.is_ascii_alphanumeric())
            && text
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"+-.:~=_".contains(&byte))
    };
    let refuse = |what: String, help: &str| {
        let message = format!("image `{}`: {what}", image.name);
        Err(BackendError {
            help: Some(help.to_owned()),
            ..errors::new("E1504", FailureClass::Terminal, message)
        })
    };
    if image.distribution != "debian" {
        return refuse(
            format!(
                "`{}` is not a distribution that can be built here",
                image.distribution
            ),
            "write `distribution = \"debian\"`",
        );
    }
    for (what, text) in [("suite", &image.suite), ("variant", &image.variant)]
        .into_iter()
        .chain(image.packages.iter().map(|package| ("package", package)))
    {
        if !plain(text) {
            return refuse(
                format!("`{text}` cannot be the name of a {what}"),
                "see Debian's names",
            );
        }
    }
    Ok(())
}

fn arguments(image: &Image, mirror: Option<&str>, target: &Path) -> Vec<String> {
    let mut arguments = vec![
        "--mode=root".to_owned(),
        "--format=directory".to_owned(),
        format!("--variant={}", image.variant),
    ];
    if !image.packages.is_empty() {
        arguments.push(format!("--include={}", image.packages.join(",")));
    }
    arguments.push(image.suite.clone());
    arguments.push(target.display().to_string());
    arguments.extend(mirror.map(str::to_owned));
    arguments
}

/// Builds the file system in `target`, which must not be there yet.
pub(super) async fn build(
    image: &Image,
    mirror: Option<&str>,
    target: &Path,
    progress: Progress<'_>,
) -> Result<(), BackendError> {
    if !local::installed("mmdebstrap") {
        return Err(BackendError {
            help: Some("apt-get install -y mmdebstrap".to_owned()),
            ..errors::new(
                "E1501",
                FailureClass::Terminal,
                "the program `mmdebstrap`, which builds images, is not installed".to_owned(),
            )
        });
    }
    let environment = BTreeMap::from([
        (
            "PATH".to_owned(),
            "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
        ),
        ("LC_ALL".to_owned(), "C.UTF-8".to_owned()),
        (
            "TMPDIR".to_owned(),
            target.parent().unwrap_or(target).display().to_string(),
        ),
    ]);
    let mut launched =
        local::launch_build("mmdebstrap", arguments(image, mirror, target), environment).await?;
    drop(launched.child.stdin.take());
    let (Some(mut output), Some(problems)) = (launched.child.stdout.take(), launched.child.stderr.take())
    else {
        return Err(failed("its output is missing", String::new()));
    };
    let mut lines = BufReader::new(problems).lines();
    let mut log = String::new();
    let mut ignored = Vec::new();
    let read_all = async {
        while let Ok(Some(line)) = lines.next_line().await {
            if let Some(told) = line.strip_prefix("I: ") {
                progress(told);
            }
            log.push_str(&line);
            log.push('\n');
        }
    };
    let (_, _) = tokio::join!(read_all, output.read_to_end(&mut ignored));
    match launched.end().await? {
        0 => Ok(()),
        code => Err(failed(
            &format!("`mmdebstrap` ended with code {code}"),
            errors::last_lines(&log, 20),
        )),
    }
}
