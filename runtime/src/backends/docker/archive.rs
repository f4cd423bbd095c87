//! Files for a container, as the archive in which an engine takes them.

use std::io;

use bollard::query_parameters::UploadToContainerOptions;

use super::engine::{Engine, LONG, answer};
use super::errors as engine_errors;
use crate::backend::BackendError;
use crate::backends::errors;

/// A file of the machine's root, with its path from `/` but without the first slash.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) path: &'a str,
    pub(super) mode: u32,
    pub(super) content: &'a [u8],
}

fn archive(entries: &[Entry<'_>]) -> io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(entry.mode);
        header.set_mtime(0);
        header.set_size(entry.content.len() as u64);
        if entry.path.ends_with('/') {
            header.set_entry_type(tar::EntryType::Directory);
        }
        builder.append_data(&mut header, entry.path, entry.content)?;
    }
    builder.into_inner()
}

/// Puts files on a container's disk, whether it runs or not.
pub(super) async fn upload(
    engine: &Engine,
    container: &str,
    machine: &str,
    entries: &[Entry<'_>],
) -> Result<(), BackendError> {
    let attempted = format!("put files on machine `{machine}`");
    let archive = archive(entries).map_err(|error| engine_errors::silent(&attempted, error))?;
    let options = UploadToContainerOptions {
        path: "/".to_owned(),
        ..UploadToContainerOptions::default()
    };
    let body = bollard::body_full(archive.into());
    let upload = engine.client.upload_to_container(container, Some(options), body);
    match answer(&attempted, LONG, upload).await? {
        Ok(()) => Ok(()),
        Err(refusal) if refusal.status == 404 => Err(errors::not_running(machine, "is not there")),
        Err(refusal) => Err(engine_errors::refused(
            &attempted,
            refusal.status,
            &refusal.message,
        )),
    }
}
