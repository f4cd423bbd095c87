//! Where secrets come from: the environment, files, programs.

use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rebar_compiler::manifest::SecretFrom;
use tokio::io::AsyncReadExt;
use zeroize::Zeroizing;

use super::SecretError;

/// Bytes of a secret.
const LONGEST: u64 = 64 * 1024;

/// So long a program may take, which may ask a person.
const PATIENCE: Duration = Duration::from_secs(60);

/// The secret `name`.
pub(super) async fn ask(
    root: &Path,
    name: &str,
    from: &SecretFrom,
) -> Result<Zeroizing<String>, SecretError> {
    let value = match from {
        SecretFrom::Env(variable) => match std::env::var(variable) {
            Ok(value) if !value.is_empty() => Zeroizing::new(value),
            Ok(_) | Err(std::env::VarError::NotPresent) => {
                return Err(SecretError {
                    code: "E1230",
                    message: format!("the secret `{name}` is missing: the variable `{variable}` is not set"),
                    help: format!(
                        "set `{variable}`, or say below `[secrets]` of `rebar.toml` where `{name}` comes from"
                    ),
                });
            }
            Err(std::env::VarError::NotUnicode(_)) => return Err(unusable(name, "it is not UTF-8")),
        },
        SecretFrom::File(path) => one_line(name, &from_file(&root.join(path), name, path)?)?,
        SecretFrom::Command(words) => one_line(name, &from_program(root, name, words).await?)?,
    };
    if value.is_empty() {
        return Err(unusable(name, "it is empty"));
    }
    if value.len() as u64 > LONGEST {
        return Err(unusable(name, "it is longer than 64 KiB"));
    }
    if value.contains('\0') {
        return Err(unusable(name, "it holds a zero byte"));
    }
    Ok(value)
}

fn from_file(at: &Path, name: &str, path: &str) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let failed = |error: std::io::Error| SecretError {
        code: "E1230",
        message: format!(
            "the secret `{name}` is missing: cannot read `{path}`: {}",
            error.kind()
        ),
        help: "a path that is not absolute is below the folder of `rebar.toml`".to_owned(),
    };
    // A pipe would be waited for.
    if !std::fs::metadata(at).map_err(failed)?.is_file() {
        return Err(unusable(name, "what it is read from is no file"));
    }
    let mut bytes = Zeroizing::new(Vec::new());
    let file = std::fs::File::open(at).map_err(failed)?;
    file.take(LONGEST + 2).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

async fn from_program(root: &Path, name: &str, words: &[String]) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (program, arguments) = words
        .split_first()
        .ok_or_else(|| unusable(name, "no program is named"))?;
    let failed = |cause: String| SecretError {
        code: "E1232",
        message: format!("the secret `{name}` is missing: `{program}` {cause}"),
        help: format!("run `{}` by hand to see what is wrong", words.join(" ")),
    };
    let mut child = tokio::process::Command::new(program)
        .args(arguments)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| failed(format!("cannot be started: {}", error.kind())))?;
    let mut bytes = Zeroizing::new(Vec::new());
    let mut output = child.stdout.take().map(|output| output.take(LONGEST + 2));
    let ended = tokio::time::timeout(PATIENCE, async {
        if let Some(output) = &mut output {
            output.read_to_end(&mut bytes).await?;
        }
        drop(output);
        child.wait().await
    });
    match ended.await {
        Err(_) => Err(failed(format!("did not end within {} s", PATIENCE.as_secs()))),
        Ok(Err(error)) => Err(failed(format!("cannot be read: {}", error.kind()))),
        Ok(Ok(status)) if !status.success() => Err(failed(format!("failed: {status}"))),
        Ok(Ok(_)) => Ok(bytes),
    }
}

/// Text without the line break that ends a file.
fn one_line(name: &str, bytes: &[u8]) -> Result<Zeroizing<String>, SecretError> {
    let text = std::str::from_utf8(bytes).map_err(|_| unusable(name, "it is not UTF-8"))?;
    Ok(Zeroizing::new(text.strip_suffix('\n').unwrap_or(text).to_owned()))
}

fn unusable(name: &str, cause: &str) -> SecretError {
    SecretError {
        code: "E1230",
        message: format!("the secret `{name}` cannot be used: {cause}"),
        help: "a secret is text of up to 64 KiB, without zero bytes".to_owned(),
    }
}
