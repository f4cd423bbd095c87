//! Keys, MACs, generated secrets, and where secrets come from.

use std::os::unix::fs::PermissionsExt;

use rebar_compiler::plan::Recipe;

use super::*;

fn named(name: &str) -> SecretReference {
    SecretReference {
        name: name.to_owned(),
        generated: None,
    }
}

fn generated(name: &str, length: u32, version: u32) -> SecretReference {
    SecretReference {
        name: name.to_owned(),
        generated: Some(Recipe { length, version }),
    }
}

fn project(folder: &std::path::Path, sources: &[(&str, SecretFrom)]) -> Secrets {
    let sources = sources
        .iter()
        .map(|(name, from)| ((*name).to_owned(), from.clone()));
    Secrets::with(Origin::Project {
        root: folder.to_owned(),
        state: folder.join(".rebar"),
        sources: sources.collect(),
    })
}

#[tokio::test]
async fn the_key_is_made_once_and_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = project(folder.path(), &[]);
    assert!(secrets.key().unwrap().is_none());
    let first = secrets.mac(&generated("a", 32, 1)).await.unwrap();
    let path = folder.path().join(".rebar").join(FILE);
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(
        project(folder.path(), &[])
            .mac(&generated("a", 32, 1))
            .await
            .unwrap(),
        first
    );
    assert!(secrets.key().unwrap().unwrap().made(&first.unwrap()));
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(secrets.key().unwrap_err().code, "E1070");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::write(&path, "no key").unwrap();
    assert_eq!(secrets.key().unwrap_err().code, "E1070");
}

#[tokio::test]
async fn generated_secrets_stay_and_differ() {
    let folder = tempfile::tempdir().unwrap();
    let secrets = || project(folder.path(), &[]);
    let one = secrets().value(&generated("a", 40, 1), "deploy").await.unwrap();
    assert_eq!(one.len(), 40);
    assert!(one.chars().all(|c| c.is_ascii_alphanumeric()));
    assert_eq!(
        secrets().value(&generated("a", 40, 1), "deploy").await.unwrap(),
        one
    );
    for (reference, deploy) in [
        (generated("a", 40, 2), "deploy"),
        (generated("b", 40, 1), "deploy"),
        (generated("a", 40, 1), "other"),
        (generated("a", 41, 1), "deploy"),
    ] {
        assert_ne!(
            secrets().value(&reference, deploy).await.unwrap()[..20],
            one[..20]
        );
    }
}

#[tokio::test]
async fn files_and_programs_give_secrets_and_what_is_missing_is_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a"), "from a file\n").unwrap();
    std::fs::write(folder.path().join("empty"), "\n").unwrap();
    let words = |text: &str| SecretFrom::Command(text.split('|').map(str::to_owned).collect());
    let secrets = project(
        folder.path(),
        &[
            ("a", SecretFrom::File("a".to_owned())),
            ("b", words("printf|%s\\n|from a program")),
            ("empty", SecretFrom::File("empty".to_owned())),
            ("gone", SecretFrom::File("gone".to_owned())),
            ("fails", words("false")),
            ("none", words("no-such-program-here")),
        ],
    );
    assert_eq!(
        secrets.value(&named("a"), "").await.unwrap().as_str(),
        "from a file"
    );
    assert_eq!(
        secrets.value(&named("b"), "").await.unwrap().as_str(),
        "from a program"
    );
    for (name, code) in [
        ("empty", "E1230"),
        ("gone", "E1230"),
        ("fails", "E1232"),
        ("none", "E1232"),
        ("unset", "E1230"),
    ] {
        let error = secrets.value(&named(name), "").await.unwrap_err();
        assert_eq!(error.code, code, "{error}");
        assert!(error.message.contains(&format!("`{name}`")), "{error}");
    }
    assert_eq!(
        secrets.hide("it said from a file, twice: from a file".to_owned()),
        "it said (secret a), twice: (secret a)"
    );
}

#[tokio::test]
async fn each_line_of_a_secret_of_several_lines_is_hidden() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("key"), "-- begin --\nMIIEvQIBADAN\nshort\n").unwrap();
    let secrets = project(folder.path(), &[("key", SecretFrom::File("key".to_owned()))]);
    secrets.value(&named("key"), "").await.unwrap();
    assert_eq!(
        secrets.hide("bad line: MIIEvQIBADAN, it is short".to_owned()),
        "bad line: (secret key), it is short"
    );
    assert_eq!(
        secrets.hide("-- begin -- MIIEvQIBADAN short".to_owned()),
        "(secret key) (secret key) short"
    );
}
