//! Source text: files, spans and positions.

pub mod data;

use std::collections::HashMap;
use std::sync::Arc;

/// Which file of a [`Sources`] a span points into.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct SourceId(pub u32);

/// A range of bytes in one source file: `start` inclusive, `end` exclusive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Span {
    /// The file.
    pub source: SourceId,
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    /// A span over `start..end` (bytes) of `source`.
    pub fn new(source: SourceId, start: usize, end: usize) -> Self {
        Span {
            source,
            start: start as u32,
            end: end as u32,
        }
    }

    /// The smallest span that covers both; both must be of the same file.
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span {
            source: self.source,
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }

    /// The byte range, for indexing the file's text.
    pub fn range(self) -> std::ops::Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// One file: its name as people know it, and its text.
#[derive(Debug, Clone)]
pub struct Source {
    /// `main.rebar` for files of the project, `std/linux.rebar` for the standard library.
    pub name: Arc<str>,
    /// The whole text.
    pub text: Arc<str>,
    /// The offsets at which its lines begin.
    lines: Arc<[u32]>,
}

impl Source {
    fn new(name: Arc<str>, text: Arc<str>) -> Source {
        let newlines = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        let lines = std::iter::once(0).chain(newlines.map(|(at, _)| at as u32 + 1));
        Source {
            lines: lines.collect(),
            name,
            text,
        }
    }

    /// Whether it is a file of the project, and not of the library that is part of the program.
    pub fn is_of_project(&self) -> bool {
        !self.name.starts_with("std/")
    }
}

/// All files that one compilation has read. A session reads them again and again ([`Sources::again`]): a file keeps its
/// id as long as it is there.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    files: Vec<Source>,
    /// Ids in the order in which the files were read this time.
    order: Vec<SourceId>,
    /// By name, and by how many of that name were read before it.
    ids: HashMap<(Arc<str>, usize), SourceId>,
    /// How often each name was read this time.
    read: HashMap<Arc<str>, usize>,
}

impl Sources {
    /// Adds a file and returns its id.
    pub fn add(&mut self, name: impl Into<Arc<str>>, text: impl AsRef<str> + Into<Arc<str>>) -> SourceId {
        let name: Arc<str> = name.into();
        let before = self.read.entry(name.clone()).or_default();
        let key = (name.clone(), *before);
        *before += 1;
        if let Some(id) = self.ids.get(&key).copied() {
            self.order.push(id);
            if *self.get(id).text != *text.as_ref() {
                self.files[id.0 as usize] = Source::new(name, text.into());
            }
            return id;
        }
        let id = SourceId(self.files.len() as u32);
        self.ids.insert(key, id);
        self.order.push(id);
        self.files.push(Source::new(name, text.into()));
        id
    }

    /// Begins to read all files again. A text that is the same as before stays the same value in memory.
    pub(crate) fn again(&mut self) {
        self.order.clear();
        self.read.clear();
    }

    /// The files that were read this time as if there had been no time before; and the new ids, by the ids of now.
    pub(crate) fn in_order(&self) -> (Sources, HashMap<SourceId, SourceId>) {
        let files = self.order.iter().map(|id| self.get(*id).clone()).collect();
        let fresh = (0..self.order.len()).map(|at| SourceId(at as u32));
        let sources = Sources {
            files,
            order: fresh.clone().collect(),
            ..Sources::default()
        };
        (sources, self.order.iter().copied().zip(fresh).collect())
    }

    /// The file of `id`. Ids come from [`Sources::add`] of the same value.
    pub fn get(&self, id: SourceId) -> &Source {
        &self.files[id.0 as usize]
    }

    /// All files with their ids, in the order they were read.
    pub fn iter(&self) -> impl Iterator<Item = (SourceId, &Source)> {
        self.order.iter().map(|id| (*id, self.get(*id)))
    }

    /// The text under `span`.
    pub fn slice(&self, span: Span) -> &str {
        &self.get(span.source).text[span.range()]
    }

    /// Line and column of the start of `span`, both counted from 1, the column in characters.
    pub fn position(&self, span: Span) -> (usize, usize) {
        let (line, before) = self.before(span);
        (line, before.chars().count() + 1)
    }

    /// As [`Sources::position`], the column in UTF-16 code units, as many programs count.
    pub fn position_utf16(&self, span: Span) -> (usize, usize) {
        let (line, before) = self.before(span);
        (line, before.chars().map(char::len_utf16).sum::<usize>() + 1)
    }

    /// The number of the line where `span` starts, from 1, and what stands in it before the span.
    fn before(&self, span: Span) -> (usize, &str) {
        let lines = &self.get(span.source).lines;
        // The first line begins at 0, so there is always one at or before the span.
        let line = lines.partition_point(|begins| *begins <= span.start);
        let begins = lines.get(line - 1).copied().unwrap_or(0) as usize;
        (line, &self.get(span.source).text[begins..span.start as usize])
    }

    /// The line where `span` starts, without its end.
    pub fn line(&self, span: Span) -> &str {
        let (_, before) = self.before(span);
        let from = span.start as usize - before.len();
        let rest = &self.get(span.source).text[from..];
        rest.split('\n').next().unwrap_or(rest)
    }

    /// `main.rebar:12:3`, the way people and editors write a place.
    pub fn place(&self, span: Span) -> String {
        let (line, column) = self.position(span);
        format!("{}:{line}:{column}", self.get(span.source).name)
    }
}

/// Why a file could not be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FileError {
    /// There is no such file.
    #[error("there is no file `{0}`")]
    Missing(String),
    /// The file is there, but not readable: permissions, a directory, an I/O error.
    #[error("cannot read `{path}`: {cause}")]
    Unreadable {
        /// The path that was asked for.
        path: String,
        /// The cause in the operating system's words.
        cause: String,
    },
    /// The file is not UTF-8; `offset` is the first bad byte.
    #[error("`{path}` is not UTF-8 text (first bad byte at offset {offset})")]
    NotText {
        /// The path that was asked for.
        path: String,
        /// Offset of the first byte that is not UTF-8.
        offset: usize,
    },
}

/// Where the compiler gets text from: specs, templates and inventories.
/// Paths are relative to the project (or to the standard library), with `/` between folders.
pub trait Files {
    /// The text of `path`.
    ///
    /// # Errors
    /// [`FileError`] when the file is missing, unreadable or not UTF-8.
    fn read(&self, path: &str) -> Result<String, FileError>;

    /// Paths of all readable files, for "did you mean"; may be empty.
    fn list(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Files that are part of the program, as pairs of path and text: the standard library.
#[derive(Debug, Clone, Copy)]
pub struct Embedded(pub &'static [(&'static str, &'static str)]);

impl Files for Embedded {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.0
            .iter()
            .find(|(name, _)| *name == path)
            .map(|(_, text)| (*text).to_owned())
            .ok_or_else(|| FileError::Missing(path.to_owned()))
    }

    fn list(&self) -> Vec<String> {
        self.0.iter().map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// Files held in memory, for tests.
impl Files for std::collections::BTreeMap<String, String> {
    fn read(&self, path: &str) -> Result<String, FileError> {
        self.get(path)
            .cloned()
            .ok_or_else(|| FileError::Missing(path.to_owned()))
    }

    fn list(&self) -> Vec<String> {
        self.keys().cloned().collect()
    }
}
