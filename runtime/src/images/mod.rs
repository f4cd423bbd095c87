//! File systems that machines start from: an image is a value, built once and kept by its content.
//!
//! `<cache>/images/<key>/rootfs` is the file system, `<cache>/images/<key>/image.json` says what it was made
//! from. The folder appears by a rename when it is whole.

mod build;
mod tailor;

use std::fs::{self, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use rebar_agent::protocol::FailureClass;
use rebar_compiler::plan::Image;
use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::backend::{BackendError, Progress};
use crate::backends::errors;

/// Changes with what the builder makes of the same image, so that images of an older one are not taken for it.
const BUILDER: u32 = 1;

/// Where packages come from, instead of mmdebstrap's own choice.
pub const MIRROR: &str = "REBAR_DEBIAN_MIRROR";

/// An image in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// SHA-256 (hex) over all that it is made from.
    pub key: String,
    /// The id of this build: a later build under the same key may hold newer packages.
    pub build: String,
    /// Its file system.
    pub rootfs: PathBuf,
    /// Whether it was built just now.
    pub built: bool,
}

/// What stands beside the file system.
#[derive(Debug, Serialize, Deserialize)]
struct Description {
    image: Image,
    mirror: Option<String>,
    builder: u32,
    build: String,
}

/// The key of an image: everything that decides about its content.
pub fn key(image: &Image, mirror: Option<&str>) -> String {
    // The name does not decide, nor does the order of packages.
    let mut packages = image.packages.clone();
    packages.sort();
    packages.dedup();
    let canonical = serde_json::json!({
        "builder": BUILDER,
        "distribution": image.distribution,
        "mirror": mirror,
        "packages": packages,
        "suite": image.suite,
        "variant": image.variant,
    });
    Sha256::digest(canonical.to_string())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn mirror() -> Option<String> {
    std::env::var(MIRROR).ok().filter(|mirror| !mirror.is_empty())
}

fn read(cache: &Path, key: &str, built: bool) -> Option<Prepared> {
    let folder = cache.join("images").join(key);
    let description: Description = serde_json::from_slice(&fs::read(folder.join("image.json")).ok()?).ok()?;
    let rootfs = folder.join("rootfs");
    rootfs.is_dir().then(|| Prepared {
        key: key.to_owned(),
        build: description.build,
        rootfs,
        built,
    })
}

/// The image if it is in the cache.
///
/// # Errors
/// `E1504` if no image can be made from this value.
pub fn cached(image: &Image, cache: &Path) -> Result<Option<Prepared>, BackendError> {
    build::check(image)?;
    Ok(read(cache, &key(image, mirror().as_deref()), false))
}

/// The image from the cache, built first if it is not there. Two builders of one image wait for each other.
///
/// # Errors
/// `E1501` without mmdebstrap, `E1502` if the build fails, `E1504` if no image can be made from this value.
pub async fn prepare(image: &Image, cache: &Path, progress: Progress<'_>) -> Result<Prepared, BackendError> {
    if let Some(found) = cached(image, cache)? {
        return Ok(found);
    }
    let mirror = mirror();
    let key = key(image, mirror.as_deref());
    let images = cache.join("images");
    // For root alone: an image holds programs that run as root, and old ones.
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&images)
        .map_err(|error| file("make the folder", &images, &error))?;
    let lock = lock(&images.join(format!("{key}.lock")), progress).await?;
    // Somebody else may have built it while we waited.
    if let Some(found) = read(cache, &key, false) {
        return Ok(found);
    }
    sweep(&images, &key)?;
    let partial = images.join(format!("{key}.partial"));
    fs::create_dir(&partial).map_err(|error| file("make the folder", &partial, &error))?;
    let rootfs = partial.join("rootfs");
    let built = async {
        build::build(image, mirror.as_deref(), &rootfs, progress).await?;
        tailor::tailor(&rootfs).map_err(|error| file("write into the image", &rootfs, &error))
    };
    if let Err(error) = built.await {
        let _ = fs::remove_dir_all(&partial);
        return Err(error);
    }
    let build = uuid::Uuid::new_v4().to_string();
    let description = Description {
        image: image.clone(),
        mirror,
        builder: BUILDER,
        build,
    };
    finish(&partial, &images.join(&key), &description)
        .map_err(|error| file("finish", &images.join(&key), &error))?;
    drop(lock);
    read(cache, &key, true).ok_or_else(|| failed("what was built is not there", String::new()))
}

/// Waits until nobody else brings the image of this key to where machines start from it. The lock goes with the file.
///
/// # Errors
/// `E1502` if the lock's file cannot be opened.
pub(crate) async fn alone(cache: &Path, key: &str, progress: Progress<'_>) -> Result<File, BackendError> {
    lock(&cache.join("images").join(format!("{key}.import.lock")), progress).await
}

/// Waits for other builders of the same image without holding up a thread.
async fn lock(path: &Path, progress: Progress<'_>) -> Result<File, BackendError> {
    let lock = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .map_err(|error| file("open", path, &error))?;
    let mut told = false;
    loop {
        match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(lock),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                if !told {
                    progress("another run is building this image");
                    told = true;
                }
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            Err(error) => return Err(file("lock", path, &error.into())),
        }
    }
}

/// Removes what killed builders left. One that still works holds its lock.
fn sweep(images: &Path, own: &str) -> Result<(), BackendError> {
    for entry in fs::read_dir(images)
        .map_err(|error| file("read", images, &error))?
        .flatten()
    {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(key) = name.strip_suffix(".partial") else {
            continue;
        };
        let abandoned = key == own
            || File::open(images.join(format!("{key}.lock")))
                .is_ok_and(|lock| rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok());
        if abandoned {
            fs::remove_dir_all(&path).map_err(|error| file("remove", &path, &error))?;
        }
    }
    Ok(())
}

fn finish(partial: &Path, target: &Path, description: &Description) -> std::io::Result<()> {
    fs::write(
        partial.join("image.json"),
        serde_json::to_vec_pretty(description)?,
    )?;
    // The name must not appear before the content is safe.
    rustix::fs::syncfs(File::open(partial)?)?;
    if target.exists() {
        fs::remove_dir_all(target)?;
    }
    fs::rename(partial, target)?;
    File::open(target.parent().unwrap_or(target))?.sync_all()
}

/// The file system of a build that machines stand on already.
///
/// # Errors
/// `E1503` if it is gone from the cache or was built anew: the machine's disk does not fit on another build.
pub fn find(cache: &Path, key: &str, build: &str, machine: &str) -> Result<PathBuf, BackendError> {
    match read(cache, key, false) {
        Some(found) if found.build == build => Ok(found.rootfs),
        found => {
            let what = if found.is_some() {
                "was built anew since"
            } else {
                "is no longer in the cache"
            };
            let message = format!("the image that machine `{machine}` stands on {what}");
            let help = format!("destroy `{machine}` and let it be made again");
            Err(BackendError {
                help: Some(help),
                ..errors::new("E1503", FailureClass::Terminal, message)
            })
        }
    }
}

fn failed(what: &str, detail: String) -> BackendError {
    let message = format!("the image could not be built: {what}");
    BackendError {
        detail,
        ..errors::new("E1502", FailureClass::Transient, message)
    }
}

fn file(attempted: &str, path: &Path, error: &std::io::Error) -> BackendError {
    failed(
        &format!("could not {attempted} `{}`: {error}", path.display()),
        String::new(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image() -> Image {
        Image {
            name: "base".into(),
            distribution: "debian".into(),
            suite: "bookworm".into(),
            variant: "minbase".into(),
            packages: vec!["systemd".into(), "dbus".into()],
        }
    }

    #[test]
    fn the_key_is_that_of_the_content() {
        let (mut other, first) = (image(), key(&image(), None));
        other.name = "another".into();
        other.packages.reverse();
        assert_eq!(key(&other, None), first);
        other.packages.push("curl".into());
        assert_ne!(key(&other, None), first);
        assert_ne!(key(&image(), Some("http://mirror.example/debian")), first);
    }

    #[test]
    fn a_killed_builder_leaves_nothing_that_counts() {
        let cache = tempfile::tempdir().unwrap();
        let key = key(&image(), None);
        let partial = cache.path().join("images").join(format!("{key}.partial"));
        fs::create_dir_all(partial.join("rootfs")).unwrap();
        assert!(read(cache.path(), &key, false).is_none());
        sweep(&cache.path().join("images"), &key).unwrap();
        assert!(!partial.exists());
    }
}
