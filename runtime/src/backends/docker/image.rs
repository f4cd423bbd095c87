//! Images: the file system that every backend starts from, brought into the engine once for each build.

use std::io;
use std::path::Path;
use std::process::Stdio;

use bollard::query_parameters::CreateImageOptions;
use bytes::{Bytes, BytesMut};
use futures::stream::{self, StreamExt, TryStreamExt};
use rebar_compiler::plan::Image;
use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::engine::{Engine, LONG, SHORT, answer};
use super::{errors as engine_errors, labels};
use crate::backend::{BackendError, Folders, Progress};
use crate::backends::errors;
use crate::images::{self, Prepared};

/// What the engine calls our images.
const REPOSITORY: &str = "rebar";
/// How much of an image is told as one step forward.
const STRIDE: u64 = 100 << 20;
const CHUNK: usize = 256 << 10;

/// An image that the engine has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Imported {
    /// The engine's name for it: it holds the key, and the build, so that no other is taken for it.
    pub(super) name: String,
    /// The key in the cache.
    pub(super) key: String,
    /// Whether there is a service manager in it.
    pub(super) systemd: bool,
    /// Whether it was brought in just now.
    pub(super) fresh: bool,
}

fn tag(image: &Prepared) -> String {
    format!("{}-{}", image.key, image.build)
}

/// `/sbin` may be a link into `/usr`; `/sbin/init` is a link to a path that only means something inside.
fn has_init(rootfs: &Path) -> bool {
    rootfs.join("sbin/init").symlink_metadata().is_ok()
}

fn described(image: &Prepared, fresh: bool) -> Imported {
    Imported {
        name: format!("{REPOSITORY}:{}", tag(image)),
        key: image.key.clone(),
        systemd: has_init(&image.rootfs),
        fresh,
    }
}

/// The image if both this host's cache and the engine have it.
pub(super) async fn find(
    engine: &Engine,
    folders: &Folders,
    image: &Image,
) -> Result<Option<Imported>, BackendError> {
    let Some(prepared) = images::cached(image, &folders.cache)? else {
        return Ok(None);
    };
    let there = is_there(engine, &prepared).await?;
    Ok(there.then(|| described(&prepared, false)))
}

async fn is_there(engine: &Engine, image: &Prepared) -> Result<bool, BackendError> {
    let name = format!("{REPOSITORY}:{}", tag(image));
    let attempted = "look for an image";
    match answer(attempted, SHORT, engine.client.inspect_image(&name)).await? {
        Ok(_) => Ok(true),
        Err(refusal) if refusal.status == 404 => Ok(false),
        Err(refusal) => Err(engine_errors::refused(
            attempted,
            refusal.status,
            &refusal.message,
        )),
    }
}

/// The image in the engine: built first, and brought in, where that is needed.
///
/// # Errors
/// Those of [`images::prepare`]; `E1708` where it cannot be brought in.
pub(super) async fn ensure(
    engine: &Engine,
    folders: &Folders,
    image: &Image,
    progress: Progress<'_>,
) -> Result<Imported, BackendError> {
    let prepared = images::prepare(image, &folders.cache, progress).await?;
    if is_there(engine, &prepared).await? {
        return Ok(described(&prepared, false));
    }
    let _one_at_a_time = images::alone(&folders.cache, &prepared.key, progress).await?;
    if !is_there(engine, &prepared).await? {
        import(engine, &prepared, progress).await?;
    }
    Ok(described(&prepared, true))
}

/// Streams the file system into the engine. If the packing fails, the stream is broken off instead of ended, so
/// that the engine throws away what it has: a part of an image never gets a name.
async fn import(engine: &Engine, image: &Prepared, progress: Progress<'_>) -> Result<(), BackendError> {
    progress("bringing the image into the container engine");
    let options = CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(REPOSITORY.to_owned()),
        tag: Some(tag(image)),
        message: Some("made by rebar".to_owned()),
        changes: vec![
            format!("LABEL {}=image", labels::KIND),
            format!("LABEL {}={}", labels::IMAGE, image.key),
        ],
        ..CreateImageOptions::default()
    };
    let (told, mut heard) = tokio::sync::watch::channel(0_u64);
    let body = bollard::body_try_stream(packed(pack(&image.rootfs)?, told));
    let import = engine
        .client
        .create_image(Some(options), Some(body), None)
        .map_err(|error| engine_errors::import(error, String::new()))
        .try_for_each(|_| async { Ok(()) });
    let mut import = std::pin::pin!(import);
    let mut shown = 0;
    loop {
        // An engine that takes nothing for so long takes no more.
        let step = timeout(LONG, async {
            tokio::select! {
                done = &mut import => Some(done),
                Ok(()) = heard.changed() => None,
            }
        });
        match step.await {
            Ok(Some(done)) => break done?,
            Ok(None) => {
                let bytes = *heard.borrow_and_update();
                if bytes / STRIDE > shown {
                    shown = bytes / STRIDE;
                    progress(&format!(
                        "{} MB of the image are in the container engine",
                        bytes >> 20
                    ));
                }
            }
            Err(_) => {
                return Err(engine_errors::silent(
                    "take an image",
                    format!("{} s have passed without a step forward", LONG.as_secs()),
                ));
            }
        }
    }
    if is_there(engine, image).await? {
        return Ok(());
    }
    let cause = "the engine took it, and does not have it";
    Err(engine_errors::import(cause, String::new()))
}

fn pack(rootfs: &Path) -> Result<Child, BackendError> {
    Command::new("tar")
        .args([
            "--create",
            "--format=pax",
            "--numeric-owner",
            "--xattrs",
            "--xattrs-include=*",
            "--sparse",
            "--directory",
        ])
        .arg(rootfs)
        .arg(".")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => errors::missing_program("tar", "tar"),
            _ => engine_errors::import(format!("`tar` could not be started: {error}"), String::new()),
        })
}

/// The archive in pieces, with an error as the last of them if the packing failed. Tells how much has gone by.
fn packed(
    mut child: Child,
    told: tokio::sync::watch::Sender<u64>,
) -> impl futures::Stream<Item = io::Result<Bytes>> + Send + 'static {
    let output = child.stdout.take();
    let errors = child.stderr.take().map(|mut errors| {
        tokio::spawn(async move {
            let mut text = String::new();
            let _ = errors.read_to_string(&mut text).await;
            text
        })
    });
    let begun = (child, output, errors, told, 0_u64);
    stream::try_unfold(begun, |(mut child, output, mut errors, told, sum)| async move {
        let Some(mut pipe) = output else {
            return Ok(None);
        };
        let mut chunk = BytesMut::with_capacity(CHUNK);
        if pipe.read_buf(&mut chunk).await? > 0 {
            let sum = sum + chunk.len() as u64;
            let _ = told.send(sum);
            return Ok(Some((chunk.freeze(), (child, Some(pipe), errors, told, sum))));
        }
        let text = match errors.take() {
            Some(errors) => errors.await.unwrap_or_default(),
            None => String::new(),
        };
        let status = child.wait().await?;
        if status.success() {
            return Ok(None);
        }
        let last = text.trim().lines().last().unwrap_or("it said nothing").to_owned();
        Err(io::Error::other(format!("`tar` failed: {last}")))
    })
    .fuse()
}
