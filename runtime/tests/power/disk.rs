//! A disk as it is after the power was lost: what was synced is there, and of the rest whatever chance has left.

use std::collections::BTreeMap;
use std::path::Path;

use super::watch::Deed;

/// The disk writes so many bytes at once or not at all.
const SECTOR: u64 = 512;

/// What becomes of that which was written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rest {
    /// All of it is gone.
    Lost,
    /// All of it is there, as after `kill -9`.
    Kept,
    /// Each name and each write is there, gone, or torn between its sectors, as this seed has it. The order in which
    /// things were written means nothing.
    Torn(u64),
}

/// A disk, told what was done to it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    names: BTreeMap<String, usize>,
    loose_names: Vec<Deed>,
    files: BTreeMap<usize, File>,
}

#[derive(Debug, Clone, Default)]
struct File {
    content: Vec<u8>,
    loose: Vec<Deed>,
}

/// Numbers from a seed (splitmix64).
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % bound
    }
}

impl Disk {
    /// One more deed.
    pub(crate) fn suffer(&mut self, deed: &Deed) {
        match deed {
            Deed::Named { .. } | Deed::Unnamed { .. } => self.loose_names.push(deed.clone()),
            Deed::Wrote { file, .. } | Deed::Sized { file, .. } => {
                self.files.entry(*file).or_default().loose.push(deed.clone());
            }
            Deed::SyncedFile { file } => {
                let file = self.files.entry(*file).or_default();
                for deed in std::mem::take(&mut file.loose) {
                    change(&mut file.content, &deed);
                }
            }
            Deed::SyncedFolder => {
                for deed in std::mem::take(&mut self.loose_names) {
                    rename(&mut self.names, &deed);
                }
            }
            Deed::Told(_) => {}
        }
    }

    /// Makes `folder` what is found there when the power is back.
    pub(crate) fn after_power_loss(&self, rest: Rest, folder: &Path) {
        let mut chance = Chance(match rest {
            Rest::Torn(seed) => seed,
            Rest::Lost | Rest::Kept => 0,
        });
        let mut names = self.names.clone();
        for deed in &self.loose_names {
            let there = match rest {
                Rest::Lost => false,
                Rest::Kept => true,
                Rest::Torn(_) => chance.below(2) == 0,
            };
            if there {
                rename(&mut names, deed);
            }
        }
        for (name, file) in names {
            let mut content = Vec::new();
            if let Some(file) = self.files.get(&file) {
                content.clone_from(&file.content);
                for deed in &file.loose {
                    match rest {
                        Rest::Lost => {}
                        Rest::Kept => change(&mut content, deed),
                        Rest::Torn(_) => tear(&mut content, deed, &mut chance),
                    }
                }
            }
            std::fs::write(folder.join(name), content).unwrap();
        }
    }
}

fn rename(names: &mut BTreeMap<String, usize>, deed: &Deed) {
    match deed {
        Deed::Named { name, file } => {
            names.insert(name.clone(), *file);
        }
        Deed::Unnamed { name } => {
            names.remove(name);
        }
        Deed::Wrote { .. }
        | Deed::Sized { .. }
        | Deed::SyncedFile { .. }
        | Deed::SyncedFolder
        | Deed::Told(_) => {}
    }
}

fn change(content: &mut Vec<u8>, deed: &Deed) {
    match deed {
        Deed::Wrote { at, bytes, .. } => put(content, *at, bytes),
        Deed::Sized { length, .. } => content.resize(usize::try_from(*length).unwrap(), 0),
        Deed::Named { .. }
        | Deed::Unnamed { .. }
        | Deed::SyncedFile { .. }
        | Deed::SyncedFolder
        | Deed::Told(_) => {}
    }
}

fn put(content: &mut Vec<u8>, at: u64, bytes: &[u8]) {
    let at = usize::try_from(at).unwrap();
    if content.len() < at + bytes.len() {
        content.resize(at + bytes.len(), 0);
    }
    content[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The whole of it, nothing of it, or some of its sectors.
fn tear(content: &mut Vec<u8>, deed: &Deed, chance: &mut Chance) {
    let fate = chance.below(3);
    match deed {
        _ if fate == 0 => {}
        Deed::Wrote { at, bytes, .. } if fate == 1 => {
            let mut from = 0;
            while from < bytes.len() {
                let room = SECTOR - (at + from as u64) % SECTOR;
                let to = bytes.len().min(from + usize::try_from(room).unwrap());
                if chance.below(2) == 0 {
                    put(content, at + from as u64, &bytes[from..to]);
                }
                from = to;
            }
        }
        _ => change(content, deed),
    }
}
