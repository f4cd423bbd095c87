//! Stands between this program and the kernel: every write, truncation, name and sync below a watched folder is noted,
//! whether SQLite or Rust's library makes it. What is noted here is all that a disk would have been told.
//!
//! The functions below take the place of the C library's of the same names, for the whole program. They make the same
//! system calls, so `errno` is as ever. The code under test is built and called as users have it: it needs no seam.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use libc::{c_char, c_int, c_long, c_uint, c_void, off_t, size_t, ssize_t};
use rebar_runtime::journal::Line;

/// What happened to a disk, in order. Files are numbered, since a name may come to mean another file.
#[derive(Debug, Clone)]
pub(crate) enum Deed {
    /// A name was given to a file, which may have had others.
    Named { name: String, file: usize },
    /// A name was taken away.
    Unnamed { name: String },
    /// Bytes were written.
    Wrote { file: usize, at: u64, bytes: Vec<u8> },
    /// The file was cut or grown.
    Sized { file: usize, length: u64 },
    /// The file's content was forced to the disk.
    SyncedFile { file: usize },
    /// The folder's names were forced to the disk.
    SyncedFolder,
    /// Somebody was told that these lines are durable.
    Told(Vec<Line>),
}

/// Syncs that say yes and do nothing, as a program would that left them out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dropped {
    Nothing,
    Every,
    /// Those of the write-ahead log.
    Log,
    /// Those of the database file.
    Database,
    /// Those of the folder.
    Folder,
}

/// What was noted of one folder.
pub(crate) struct Watch<S> {
    seen: Arc<Seen>,
    /// Something that is looked at with each deed.
    beside: Arc<Mutex<Vec<S>>>,
}

struct Seen {
    folder: PathBuf,
    dropped: Dropped,
    notes: Mutex<Notes>,
    look: Box<dyn Fn() + Send + Sync>,
}

#[derive(Default)]
struct Notes {
    deeds: Vec<Deed>,
    names: BTreeMap<String, usize>,
    inodes: BTreeMap<u64, usize>,
    files: usize,
}

static WATCHED: Mutex<Vec<Arc<Seen>>> = Mutex::new(Vec::new());

impl<S: Clone + Send + 'static> Watch<S> {
    /// Watches `folder`, which is empty; `look` is called with each deed, and what it returns is kept beside it.
    pub(crate) fn begin(
        folder: &Path,
        dropped: Dropped,
        look: impl Fn() -> S + Send + Sync + 'static,
    ) -> Watch<S> {
        let beside = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&beside);
        let seen = Arc::new(Seen {
            folder: folder.canonicalize().unwrap(),
            dropped,
            notes: Mutex::default(),
            look: Box::new(move || sink.lock().unwrap().push(look())),
        });
        WATCHED.lock().unwrap().push(Arc::clone(&seen));
        Watch { seen, beside }
    }

    /// Notes that somebody was told that these lines are durable.
    pub(crate) fn tell(&self, lines: Vec<Line>) {
        self.seen.note(|_| Some(Deed::Told(lines)));
    }

    /// How many deeds there were so far.
    pub(crate) fn count(&self) -> usize {
        self.seen.notes.lock().unwrap().deeds.len()
    }

    /// Ends it; the deeds, each with what was seen beside it.
    pub(crate) fn end(self) -> Vec<(Deed, S)> {
        WATCHED
            .lock()
            .unwrap()
            .retain(|seen| !Arc::ptr_eq(seen, &self.seen));
        let deeds = std::mem::take(&mut self.seen.notes.lock().unwrap().deeds);
        let beside = std::mem::take(&mut *self.beside.lock().unwrap());
        assert_eq!(deeds.len(), beside.len());
        deeds.into_iter().zip(beside).collect()
    }
}

impl<S> Clone for Watch<S> {
    fn clone(&self) -> Self {
        Watch {
            seen: Arc::clone(&self.seen),
            beside: Arc::clone(&self.beside),
        }
    }
}

impl Seen {
    fn note(&self, deed: impl FnOnce(&mut Notes) -> Option<Deed>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(deed) = deed(&mut notes) {
            notes.deeds.push(deed);
            (self.look)();
        }
    }

    /// Whether a sync of the file called `name` (the folder: empty) is left out.
    fn drops(&self, name: &str) -> bool {
        let log = name.ends_with("-wal");
        match self.dropped {
            Dropped::Nothing => false,
            Dropped::Every => true,
            Dropped::Log => log,
            Dropped::Database => !name.is_empty() && !log,
            Dropped::Folder => name.is_empty(),
        }
    }
}

/// The watch that a path is below, and the path's name there; the folder itself has an empty one. The shared memory
/// beside the log is made anew by whoever comes first, so a disk need not keep it.
fn watched(path: &Path) -> Option<(Arc<Seen>, String)> {
    let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
    watched.iter().find_map(|seen| {
        let name = path.strip_prefix(&seen.folder).ok()?.to_str()?.to_owned();
        (!name.ends_with("-shm")).then(|| (Arc::clone(seen), name))
    })
}

fn path_of(fd: c_int) -> Option<PathBuf> {
    std::fs::read_link(format!("/proc/self/fd/{fd}")).ok()
}

fn path_at(path: *const c_char) -> Option<PathBuf> {
    // SAFETY: callers of these functions pass strings that end in a zero byte.
    let text = unsafe { CStr::from_ptr(path) };
    let path = Path::new(text.to_str().ok()?);
    let folder = path.parent()?.canonicalize().ok()?;
    Some(folder.join(path.file_name()?))
}

fn nobody_is_watched() -> bool {
    WATCHED.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
}

fn inode(fd: c_int) -> Option<u64> {
    // SAFETY: all zeroes is a value of this plain structure, and the call only writes to it.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    // SAFETY: the pointer is to a live structure of the right type.
    (unsafe { libc::fstat(fd, &raw mut stat) } == 0).then_some(stat.st_ino)
}

/// Notes something about an open file; the path in /proc tells of removed names too, so files are told apart by inode.
fn note_file(fd: c_int, deed: impl FnOnce(usize) -> Deed) {
    if let Some((seen, _)) = path_of(fd).and_then(|path| watched(&path))
        && let Some(inode) = inode(fd)
    {
        seen.note(|notes| notes.inodes.get(&inode).copied().map(deed));
    }
}

fn opened(fd: c_int, flags: c_int) {
    if fd < 0 || nobody_is_watched() {
        return;
    }
    let Some((seen, name)) = path_of(fd).and_then(|path| watched(&path)) else {
        return;
    };
    let Some(inode) = inode(fd).filter(|_| flags & libc::O_CREAT != 0) else {
        return;
    };
    seen.note(|notes| {
        if notes.names.contains_key(&name) {
            return None;
        }
        let file = notes.files;
        notes.files += 1;
        notes.names.insert(name.clone(), file);
        notes.inodes.insert(inode, file);
        Some(Deed::Named { name, file })
    });
}

fn synced(fd: c_int, number: c_long) -> c_int {
    let found = if nobody_is_watched() {
        None
    } else {
        path_of(fd).and_then(|path| watched(&path))
    };
    if found.as_ref().is_some_and(|(seen, name)| seen.drops(name)) {
        return 0;
    }
    // SAFETY: `fsync` or `fdatasync`, which take a number.
    let done = unsafe { libc::syscall(number, fd) } as c_int;
    if let Some((seen, name)) = found.filter(|_| done == 0) {
        if name.is_empty() {
            seen.note(|_| Some(Deed::SyncedFolder));
        } else {
            note_file(fd, |file| Deed::SyncedFile { file });
        }
    }
    done
}

fn wrote(fd: c_int, bytes: *const c_void, done: ssize_t, at: Option<u64>) {
    if done <= 0 || nobody_is_watched() || fd <= 2 {
        return;
    }
    // SAFETY: the kernel has just read so many bytes there.
    let bytes = unsafe { std::slice::from_raw_parts(bytes.cast::<u8>(), done as usize) }.to_vec();
    let at = at.unwrap_or_else(|| {
        // SAFETY: a plain system call; files that cannot be positioned are not watched.
        let end = unsafe { libc::lseek(fd, 0, libc::SEEK_CUR) };
        u64::try_from(end).unwrap_or(0).saturating_sub(bytes.len() as u64)
    });
    note_file(fd, |file| Deed::Wrote { file, at, bytes });
}

#[unsafe(no_mangle)]
extern "C" fn open64(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    // SAFETY: the caller's arguments are passed on; without O_CREAT the kernel does not look at the mode.
    let fd = unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) } as c_int;
    opened(fd, flags);
    fd
}

#[unsafe(no_mangle)]
extern "C" fn open(path: *const c_char, flags: c_int, mode: c_uint) -> c_int {
    open64(path, flags, mode)
}

#[unsafe(no_mangle)]
extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller's arguments are passed on.
    let done = unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) } as ssize_t;
    wrote(fd, bytes, done, None);
    done
}

#[unsafe(no_mangle)]
extern "C" fn pwrite64(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    // SAFETY: the caller's arguments are passed on.
    let done = unsafe { libc::syscall(libc::SYS_pwrite64, fd, bytes, count, at) } as ssize_t;
    wrote(fd, bytes, done, u64::try_from(at).ok());
    done
}

#[unsafe(no_mangle)]
extern "C" fn pwrite(fd: c_int, bytes: *const c_void, count: size_t, at: off_t) -> ssize_t {
    pwrite64(fd, bytes, count, at)
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate64(fd: c_int, length: off_t) -> c_int {
    // SAFETY: the caller's arguments are passed on.
    let done = unsafe { libc::syscall(libc::SYS_ftruncate, fd, length) } as c_int;
    if done == 0 && !nobody_is_watched() {
        let length = u64::try_from(length).unwrap_or(0);
        note_file(fd, |file| Deed::Sized { file, length });
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn ftruncate(fd: c_int, length: off_t) -> c_int {
    ftruncate64(fd, length)
}

#[unsafe(no_mangle)]
extern "C" fn fsync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fsync)
}

#[unsafe(no_mangle)]
extern "C" fn fdatasync(fd: c_int) -> c_int {
    synced(fd, libc::SYS_fdatasync)
}

#[unsafe(no_mangle)]
extern "C" fn unlink(path: *const c_char) -> c_int {
    // SAFETY: the caller's arguments are passed on.
    let done = unsafe { libc::syscall(libc::SYS_unlinkat, libc::AT_FDCWD, path, 0) } as c_int;
    if done == 0
        && !nobody_is_watched()
        && let Some((seen, name)) = path_at(path).and_then(|path| watched(&path))
    {
        seen.note(|notes| {
            notes.names.remove(&name);
            Some(Deed::Unnamed { name })
        });
    }
    done
}

#[unsafe(no_mangle)]
extern "C" fn linkat(
    from_folder: c_int,
    from: *const c_char,
    to_folder: c_int,
    to: *const c_char,
    flags: c_int,
) -> c_int {
    // SAFETY: the caller's arguments are passed on.
    let done = unsafe { libc::syscall(libc::SYS_linkat, from_folder, from, to_folder, to, flags) } as c_int;
    if done == 0 && !nobody_is_watched() {
        let below = |path| path_at(path).and_then(|path| watched(&path));
        if let (Some((_, from)), Some((seen, name))) = (below(from), below(to)) {
            seen.note(|notes| {
                let file = notes.names.get(&from).copied()?;
                notes.names.insert(name.clone(), file);
                Some(Deed::Named { name, file })
            });
        }
    }
    done
}

/// The state is made without it; should that change, this test has to learn it.
#[unsafe(no_mangle)]
extern "C" fn rename(from: *const c_char, to: *const c_char) -> c_int {
    let below = |path| path_at(path).is_some_and(|path| watched(&path).is_some());
    assert!(
        nobody_is_watched() || !(below(from) || below(to)),
        "a rename is not noted"
    );
    // SAFETY: the caller's arguments are passed on.
    unsafe { libc::syscall(libc::SYS_renameat2, libc::AT_FDCWD, from, libc::AT_FDCWD, to, 0) as c_int }
}
