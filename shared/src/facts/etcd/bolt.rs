//! A reader of bbolt files: a B+ tree of pages, where the newer of two meta pages says which pages count.
//!
//! ```text
//! page     id u64, flags u16, count u16, overflow u32 (so many pages more belong to it), then its elements
//! meta     magic u32, version u32, page size u32, flags u32, root bucket, freelist u64, pages u64, transaction u64, FNV-1a u64
//! bucket   root page u64, sequence u64; with root 0 a page of its own follows inside of the value
//! branch   for each element: place u32, length of the key u32, page u64
//! leaf     for each element: flags u32 (1: a bucket), place u32, length of the key u32, length of the value u32
//! ```
//!
//! All numbers are little-endian, as on every machine that etcd runs on. Nothing in a file is believed: each page is read
//! once at most, so that no circle keeps us, and only pages of one value's size are held at a time.

use std::fmt;

const MAGIC: u32 = 0xED0C_DAED;
const VERSION: u32 = 2;
const HEADER: usize = 16;
const ELEMENT: usize = 16;
const META: usize = 64;
const BRANCH: u16 = 0x01;
const LEAF: u16 = 0x02;
const IS_META: u16 = 0x04;
const IS_BUCKET: u32 = 0x01;
/// Levels of a tree; with the smallest pages five hold more than any disk does.
const DEPTH: usize = 32;
/// Bytes of a page with what overflows it. etcd takes values of 1.5 MiB, and people raise that to a few more.
const RUN_LIMIT: u64 = 32 << 20;

/// Where the bytes are.
pub trait Source {
    /// How many there are.
    fn length(&self) -> u64;

    /// Reads exactly so many from this place on; the reason where that fails.
    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), String>;
}

impl Source for &[u8] {
    fn length(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, at: u64, into: &mut [u8]) -> Result<(), String> {
        let begin = usize::try_from(at).map_err(|_| "beyond the end")?;
        let found = self.get(begin..).and_then(|rest| rest.get(..into.len()));
        into.copy_from_slice(found.ok_or("beyond the end")?);
        Ok(())
    }
}

/// Why a file cannot be read as a database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BoltError {
    /// It is something else.
    NotBolt,
    /// Its end is missing.
    Truncated {
        /// Bytes that are there.
        has: u64,
        /// Bytes that its newest state takes.
        wants: u64,
    },
    /// Something in it cannot be.
    Damaged {
        /// Which page.
        page: u64,
        /// What of it.
        what: &'static str,
    },
    /// There is no bucket of this name.
    NoBucket(String),
    /// The system could not read it.
    Unreadable(String),
}

impl fmt::Display for BoltError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBolt => f.write_str("it is no etcd database"),
            Self::Truncated { has, wants } => {
                write!(f, "it is cut off: it has {has} bytes of {wants}")
            }
            Self::Damaged { page, what } => write!(f, "it is damaged: page {page} {what}"),
            Self::NoBucket(name) => {
                write!(f, "it is a bbolt database without etcd's bucket `{name}`")
            }
            Self::Unreadable(why) => write!(f, "it cannot be read: {why}"),
        }
    }
}

impl std::error::Error for BoltError {}

/// A database, as of its newest whole transaction.
pub struct Bolt<S> {
    source: S,
    page_size: u64,
    root: u64,
    /// Pages in use, free ones included: none of a higher number counts.
    pages: u64,
}

/// Whether to go on.
pub(super) type Flow = std::ops::ControlFlow<()>;
/// Takes a key and its value.
type Each<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Flow;

#[derive(Clone, Copy)]
struct Meta {
    page_size: u32,
    root: u64,
    pages: u64,
    transaction: u64,
}

impl<S: Source> Bolt<S> {
    /// Finds the newest meta page that is whole.
    pub fn open(source: S) -> Result<Self, BoltError> {
        let first = meta_at(&source, 0);
        // Where the first is damaged, its page size is not known either.
        let sizes = match first {
            Some(meta) => vec![meta.page_size],
            None => (10..=20).map(|power| 1 << power).collect(),
        };
        let second = sizes
            .into_iter()
            .find_map(|size| meta_at(&source, size.into()).filter(|meta| meta.page_size == size));
        let meta = match (first, second) {
            (Some(first), Some(second)) if second.transaction > first.transaction => second,
            (Some(first), _) => first,
            (None, Some(second)) => second,
            (None, None) => return Err(BoltError::NotBolt),
        };
        let page_size = u64::from(meta.page_size);
        let (has, wants) = (source.length(), meta.pages.saturating_mul(page_size));
        if has < wants {
            return Err(BoltError::Truncated { has, wants });
        }
        Ok(Self { source, page_size, root: meta.root, pages: meta.pages })
    }

    /// Bytes that belong to the database; a snapshot has its checksum behind them.
    pub fn length(&self) -> u64 {
        self.pages.saturating_mul(self.page_size)
    }

    /// Where the bytes are.
    pub fn source(&self) -> &S {
        &self.source
    }

    /// Gives the keys and values of a bucket from the last to the first.
    pub fn backwards(&self, bucket: &str, each: Each<'_>) -> Result<(), BoltError> {
        let mut found = None;
        let mut walk = Walk::new(self);
        let _ = walk.page(self.root, 0, &mut |flags, key, value| {
            if flags & IS_BUCKET != 0 && key == bucket.as_bytes() {
                found = Some(value.to_vec());
                return Flow::Break(());
            }
            Flow::Continue(())
        })?;
        let Some(found) = found else { return Err(BoltError::NoBucket(bucket.to_owned())) };
        let mut values = |flags: u32, key: &[u8], value: &[u8]| match flags & IS_BUCKET {
            0 => each(key, value),
            _ => Flow::Continue(()),
        };
        match number(&found, 0) {
            None => {
                Err(BoltError::Damaged { page: self.root, what: "has a bucket without a head" })
            }
            // A bucket that is small enough stands inside of its value.
            Some(0) => {
                let inside = found.get(HEADER..).unwrap_or_default();
                leaf(inside, &mut values)
                    .map(drop)
                    .map_err(|what| BoltError::Damaged { page: self.root, what })
            }
            // What was read to find the bucket was read for that.
            Some(root) => Walk::new(self).page(root, 0, &mut values).map(drop),
        }
    }
}

/// One way through a tree.
struct Walk<'a, S> {
    bolt: &'a Bolt<S>,
    /// A bit for each page that was read.
    seen: Vec<u64>,
    buffer: Vec<u8>,
}

/// Takes an element of a leaf.
type Element<'a> = &'a mut dyn FnMut(u32, &[u8], &[u8]) -> Flow;

impl<'a, S: Source> Walk<'a, S> {
    fn new(bolt: &'a Bolt<S>) -> Self {
        // The file has as many pages, so that it bounds this.
        let words = usize::try_from(bolt.pages / 64 + 1).unwrap_or(0);
        Self { bolt, seen: vec![0; words], buffer: Vec::new() }
    }

    fn page(&mut self, page: u64, depth: usize, each: Element<'_>) -> Result<Flow, BoltError> {
        let damaged = |what| BoltError::Damaged { page, what };
        if depth > DEPTH {
            return Err(damaged("stands too deep"));
        }
        let flags = self.load(page)?;
        match flags {
            LEAF => leaf(&self.buffer, each).map_err(damaged),
            BRANCH => {
                for child in children(&self.buffer).map_err(damaged)?.into_iter().rev() {
                    if self.page(child, depth + 1, each)?.is_break() {
                        return Ok(Flow::Break(()));
                    }
                }
                Ok(Flow::Continue(()))
            }
            _ => Err(damaged("is neither branch nor leaf")),
        }
    }

    /// Reads a page with all that belongs to it, and gives its flags.
    fn load(&mut self, page: u64) -> Result<u16, BoltError> {
        let damaged = |what| BoltError::Damaged { page, what };
        let Bolt { source, page_size, pages, .. } = self.bolt;
        if page < 2 || page >= *pages {
            return Err(damaged("is named and is none of the database"));
        }
        // `page` is below the count of pages, for which there are bits.
        let (word, bit) = (usize::try_from(page / 64).unwrap_or(0), 1 << (page % 64));
        if self.seen[word] & bit != 0 {
            return Err(damaged("is named twice"));
        }
        self.seen[word] |= bit;
        let at = page * page_size;
        let size = usize::try_from(*page_size).unwrap_or(0);
        self.buffer.resize(size, 0);
        source.read(at, &mut self.buffer).map_err(BoltError::Unreadable)?;
        let (id, flags) = (number(&self.buffer, 0), short(&self.buffer, 8));
        let overflow = u64::from(word_at(&self.buffer, 12).unwrap_or_default());
        if id != Some(page) {
            return Err(damaged("says that it is another one"));
        }
        if overflow > 0 {
            let run = (overflow + 1) * page_size;
            if page + overflow >= *pages || run > RUN_LIMIT {
                return Err(damaged("says that it is longer than anything in etcd"));
            }
            self.buffer.resize(usize::try_from(run).unwrap_or(size), 0);
            source.read(at + page_size, &mut self.buffer[size..]).map_err(BoltError::Unreadable)?;
        }
        flags.ok_or_else(|| damaged("has no head"))
    }
}

fn children(page: &[u8]) -> Result<Vec<u64>, &'static str> {
    let count = usize::from(short(page, 10).unwrap_or_default());
    let child = |index| number(page, HEADER + index * ELEMENT + 8);
    (0..count).map(child).collect::<Option<_>>().ok_or("has branches beyond its end")
}

fn leaf(page: &[u8], each: Element<'_>) -> Result<Flow, &'static str> {
    let count = usize::from(short(page, 10).ok_or("has no head")?);
    for index in (0..count).rev() {
        let element = HEADER + index * ELEMENT;
        let part = |at| word_at(page, element + at).and_then(|n| usize::try_from(n).ok());
        let whole = || {
            let key = page.get(element + part(4)?..)?;
            let (key, value) = key.split_at_checked(part(8)?)?;
            Some((word_at(page, element)?, key, value.get(..part(12)?)?))
        };
        let (flags, key, value) = whole().ok_or("has a value beyond its end")?;
        if each(flags, key, value).is_break() {
            return Ok(Flow::Break(()));
        }
    }
    Ok(Flow::Continue(()))
}

/// The meta page at this place, if it is whole.
fn meta_at(source: &impl Source, at: u64) -> Option<Meta> {
    let mut bytes = [0; HEADER + META];
    source.read(at, &mut bytes).ok()?;
    let meta = &bytes[HEADER..];
    let whole = short(&bytes, 8)? & IS_META != 0
        && word_at(meta, 0)? == MAGIC
        && word_at(meta, 4)? == VERSION
        && number(meta, 56)? == fnv(&meta[..56]);
    let page_size = word_at(meta, 8)?;
    let sizes = 1 << 10..=1 << 20;
    (whole && page_size.is_power_of_two() && sizes.contains(&page_size)).then_some(Meta {
        page_size,
        root: number(meta, 16)?,
        pages: number(meta, 40)?,
        transaction: number(meta, 48)?,
    })
}

/// FNV-1a with 64 bits.
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..at + 8)?.try_into().ok().map(u64::from_le_bytes)
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at + 4)?.try_into().ok().map(u32::from_le_bytes)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..at + 2)?.try_into().ok().map(u16::from_le_bytes)
}
