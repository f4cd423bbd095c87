//! The journal under torn ends, damage and length.

use super::*;
use crate::ownership::{Former, Resource};
use crate::protocol::{Prior, Removal, Step, Verb};
use crate::root::Root;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::of(&Root::new(folder.path()));
    store.prepare().unwrap();
    (folder, store)
}

fn resource(key: &str) -> Resource {
    Resource::of(&Step {
        address: "a.b".into(),
        action: "file".into(),
        key: key.into(),
        fields: BTreeMap::new(),
        removal: Removal::Restore,
        loads: BTreeMap::new(),
        secret: Vec::new(),
        replaced: false,
    })
}

fn entries(count: u64) -> Vec<Entry> {
    let mut entries = vec![Entry::Claimed { deploy: "d".into() }, Entry::Epoch { epoch: 3 }];
    for index in 0..count {
        entries.push(Entry::Begun {
            operation: format!("op-{index}"),
            address: format!("run.step{index}"),
            resource: resource(&format!("/tmp/ä\n{index}")),
            verb: Verb::Ensure,
            once: index % 3 == 0,
            former: Some(Former::Absent),
        });
        entries.push(Entry::Done {
            operation: format!("op-{index}"),
            outcome: Outcome {
                changed: true,
                note: "wrote".into(),
                prior: Prior::Absent,
                outputs: BTreeMap::new(),
            },
            memory: None,
            released: index % 5 == 4,
            touched: true,
        });
    }
    entries
}

fn sum(entries: &[Entry]) -> State {
    let mut state = State::default();
    entries.iter().for_each(|entry| state.apply(entry.clone()));
    state
}

#[test]
fn what_is_written_is_read() {
    let (_folder, store) = store();
    let entries = entries(5);
    let mut journal = Journal::open(&store).unwrap();
    entries
        .iter()
        .for_each(|entry| journal.append(entry.clone()).unwrap());
    assert_eq!(read(&store).unwrap(), sum(&entries));
    assert_eq!(Journal::open(&store).unwrap().state(), &sum(&entries));
}

#[test]
fn damage_before_the_end_is_refused() {
    let (_folder, store) = store();
    let mut journal = Journal::open(&store).unwrap();
    entries(3)
        .into_iter()
        .for_each(|entry| journal.append(entry).unwrap());
    let mut bytes = fs::read(store.journal()).unwrap();
    bytes[30] ^= 1;
    fs::write(store.journal(), bytes).unwrap();
    let refused = read(&store).unwrap_err();
    assert_eq!(refused.code, "E1306");
    assert!(refused.message.contains("line 1"), "{}", refused.message);
}

#[test]
fn a_journal_of_rubbish_is_not_taken_for_an_empty_one() {
    let (_folder, store) = store();
    for rubbish in ["x\ny\n", "x\n\n", "\n\0\0\0"] {
        fs::write(store.journal(), rubbish).unwrap();
        assert_eq!(Journal::open(&store).unwrap_err().code, "E1306", "{rubbish:?}");
        assert_eq!(fs::read(store.journal()).unwrap(), rubbish.as_bytes());
    }
    fs::write(store.journal(), "x").unwrap();
    assert_eq!(read(&store).unwrap(), State::default());
}

#[test]
fn a_long_journal_is_shortened_without_losing_anything() {
    let (_folder, store) = store();
    let mut journal = Journal::open(&store).unwrap();
    let mut all = entries(40);
    all.push(Entry::Settled {
        address: "x".repeat(LONG as usize),
        done: true,
    });
    all.iter()
        .for_each(|entry| journal.append(entry.clone()).unwrap());
    let mut journal = Journal::open(&store).unwrap();
    assert!(fs::metadata(store.journal()).unwrap().len() < LONG);
    assert_eq!(journal.state(), &sum(&all));
    journal.append(Entry::Epoch { epoch: 9 }).unwrap();
    assert_eq!(read(&store).unwrap().epoch, 9);
}

proptest! {
    /// A crash may cut the file anywhere, and may leave zeros or rubbish where data of the last line were to be.
    #[test]
    fn every_prefix_is_valid_and_can_be_continued(cut in 0usize..4000, rubbish in prop::collection::vec(any::<u8>(), 0..40)) {
        // A newline would complete a line that was cut just before it; within, it would make two of one line.
        prop_assume!(!rubbish.contains(&b'\n'));
        let (_folder, store) = store();
        let entries = entries(8);
        let lines: Vec<Vec<u8>> = entries.iter().map(line::encode).collect();
        let whole = lines.concat();
        let cut = cut.min(whole.len());
        let mut kept = 0;
        let mut length = 0;
        while kept < lines.len() && length + lines[kept].len() <= cut {
            length += lines[kept].len();
            kept += 1;
        }
        let mut bytes = whole[..cut].to_vec();
        bytes.extend(&rubbish);
        fs::write(store.journal(), &bytes).unwrap();

        let mut journal = Journal::open(&store).unwrap();
        prop_assert_eq!(journal.state(), &sum(&entries[..kept]));
        for entry in &entries[kept..] {
            journal.append(entry.clone()).unwrap();
        }
        prop_assert_eq!(&read(&store).unwrap(), &sum(&entries));
        prop_assert_eq!(fs::read(store.journal()).unwrap(), whole);
    }
}
