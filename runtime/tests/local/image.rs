//! Images: built once, and never half.

use std::process::Command;
use std::time::Duration;

use rebar_runtime::backend::{Backend, ObjectAction, Operation, Probed};

use crate::bed::{self, Bed};

fn preparing(bed: &Bed, packages: &[&str], suite: &str) -> Operation {
    let mut image = bed::image();
    image
        .packages
        .extend(packages.iter().map(|package| (*package).to_owned()));
    image.suite = suite.to_owned();
    Operation {
        id: bed.scope.deploy_id.clone(),
        epoch: 1,
        action: ObjectAction::PrepareImage { image },
    }
}

fn partial() -> Vec<String> {
    let names = std::fs::read_dir(bed::cache().join("images")).unwrap().flatten();
    names
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".partial"))
        .collect()
}

pub(crate) async fn a_killed_builder_leaves_nothing_behind() {
    let bed = Bed::new();
    let begun = preparing(&bed, &["hello"], "bookworm");
    let mut controller = bed.controller(&begun);
    for _ in 0..600 {
        if partial()
            .iter()
            .any(|name| bed::cache().join("images").join(name).join("rootfs/etc").exists())
        {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    controller.kill().unwrap();
    controller.wait().unwrap();
    assert_eq!(partial().len(), 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let folder = bed::cache().join("images").join(&partial()[0]);
    let found = Command::new("pgrep")
        .args(["-f", folder.to_str().unwrap()])
        .output()
        .unwrap();
    assert!(found.stdout.is_empty(), "a builder is still at work");
    assert_eq!(
        bed.backend.probe(&bed.scope, &begun).await.unwrap(),
        Probed::Absent
    );

    // The next build, even of another image and even one that fails, takes away what was left.
    let other = preparing(&bed, &[], "no-such-suite");
    let error = bed.backend.apply(&bed.scope, &other, &|_| {}).await.unwrap_err();
    assert_eq!(error.code, "E1502", "{error}");
    assert!(!error.detail.is_empty());
    assert!(partial().is_empty());
    let hostile = preparing(&bed, &["--customize-hook=reboot"], "bookworm");
    let error = bed
        .backend
        .apply(&bed.scope, &hostile, &|_| {})
        .await
        .unwrap_err();
    assert_eq!(error.code, "E1504", "{error}");
}
