//! Databases of etcd as bbolt lays them out: page by page, so that one of any size needs little memory.

use std::io::{self, Seek, SeekFrom, Write};

const HEADER: usize = 16;
const ELEMENT: usize = 16;
const BRANCH: u16 = 1;
const LEAF: u16 = 2;
const META: u16 = 4;
const FREE: u16 = 16;

/// Writes the bucket `key` of a database; what is put must come in order.
pub struct Database<W> {
    out: W,
    page_size: usize,
    next: u64,
    /// Entries of the leaf that is being filled.
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    size: usize,
    /// First key and page of each leaf.
    leaves: Vec<(Vec<u8>, u64)>,
}

impl<W: Write + Seek> Database<W> {
    /// Begins one with pages of this size.
    pub fn new(mut out: W, page_size: usize) -> io::Result<Self> {
        // Two meta pages and the list of free pages, which are written at the end.
        out.write_all(&vec![0; 3 * page_size])?;
        Ok(Self { out, page_size, next: 3, entries: Vec::new(), size: HEADER, leaves: Vec::new() })
    }

    /// Puts an entry.
    pub fn put(&mut self, key: Vec<u8>, value: Vec<u8>) -> io::Result<()> {
        let more = ELEMENT + key.len() + value.len();
        if self.size + more > self.page_size && !self.entries.is_empty() {
            self.leaf()?;
        }
        self.size += more;
        self.entries.push((key, value));
        Ok(())
    }

    fn leaf(&mut self) -> io::Result<()> {
        let entries = std::mem::take(&mut self.entries);
        self.size = HEADER;
        let first = entries.first().map(|(key, _)| key.clone()).unwrap_or_default();
        let page = self.page(LEAF, entries.len(), &leaf(0, &entries))?;
        self.leaves.push((first, page));
        Ok(())
    }

    /// Writes a page and gives its number.
    fn page(&mut self, flags: u16, count: usize, body: &[u8]) -> io::Result<u64> {
        let page = self.next;
        let pages = (HEADER + body.len()).div_ceil(self.page_size).max(1);
        let mut bytes = header(page, flags, count, pages - 1);
        bytes.extend(body);
        bytes.resize(pages * self.page_size, 0);
        self.out.write_all(&bytes)?;
        self.next += pages as u64;
        Ok(page)
    }

    /// Writes the branches, the root and the meta pages; the database is the newest of two transactions.
    pub fn finish(mut self) -> io::Result<W> {
        if !self.entries.is_empty() || self.leaves.is_empty() {
            self.leaf()?;
        }
        let mut level = std::mem::take(&mut self.leaves);
        while level.len() > 1 {
            let mut above = Vec::new();
            for children in level.chunks(64) {
                let page = self.page(BRANCH, children.len(), &branch(children))?;
                above.push((children[0].0.clone(), page));
            }
            level = above;
        }
        let bucket = [level[0].1.to_le_bytes(), [0; 8]].concat();
        // A bucket that stands in its value, as etcd's small ones do.
        let inline = [vec![0; 16], header(0, LEAF, 0, 0)].concat();
        let buckets = [
            (b"alarm".to_vec(), inline.clone()),
            (b"key".to_vec(), bucket),
            (b"lease".to_vec(), inline),
        ];
        let root = self.page(LEAF, buckets.len(), &leaf(1, &buckets))?;
        let pages = self.next;
        self.out.seek(SeekFrom::Start(0))?;
        for (page, transaction) in [(0, 8), (1, 7)] {
            let meta = meta(self.page_size, root, pages, transaction);
            self.next = page;
            self.page(META, 0, &meta)?;
        }
        self.page(FREE, 0, &[])?;
        self.out.seek(SeekFrom::End(0))?;
        Ok(self.out)
    }
}

/// A whole database of these entries in memory.
pub fn database(page_size: usize, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let put = || {
        let mut all = Database::new(io::Cursor::new(Vec::new()), page_size)?;
        for (key, value) in entries {
            all.put(key.clone(), value.clone())?;
        }
        all.finish()
    };
    put().map(io::Cursor::into_inner).unwrap_or_default()
}

fn header(page: u64, flags: u16, count: usize, overflow: usize) -> Vec<u8> {
    let mut bytes = page.to_le_bytes().to_vec();
    bytes.extend(flags.to_le_bytes());
    bytes.extend(u16::try_from(count).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(word(overflow));
    bytes
}

fn word(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap_or(u32::MAX).to_le_bytes()
}

fn leaf(flags: usize, entries: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let (mut elements, mut rest) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (index, (key, value)) in entries.iter().enumerate() {
        // Places are counted from the element itself.
        let place = (entries.len() - index) * ELEMENT + rest.len();
        elements.extend([word(flags), word(place), word(key.len()), word(value.len())].concat());
        rest.extend(key);
        rest.extend(value);
    }
    elements.extend(rest);
    elements
}

fn branch(children: &[(Vec<u8>, u64)]) -> Vec<u8> {
    let (mut elements, mut rest) = (Vec::<u8>::new(), Vec::<u8>::new());
    for (index, (key, page)) in children.iter().enumerate() {
        let place = (children.len() - index) * ELEMENT + rest.len();
        elements.extend([word(place), word(key.len())].concat());
        elements.extend(page.to_le_bytes());
        rest.extend(key);
    }
    elements.extend(rest);
    elements
}

fn meta(page_size: usize, root: u64, pages: u64, transaction: u64) -> Vec<u8> {
    let mut bytes = [word(0xED0C_DAED), word(2), word(page_size), word(0)].concat();
    for number in [root, 0, 2, pages, transaction] {
        bytes.extend(number.to_le_bytes());
    }
    let sum = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    });
    bytes.extend(sum.to_le_bytes());
    bytes
}

/// The name of a change in etcd's bucket `key`.
pub fn revision(main: u64, deleted: bool) -> Vec<u8> {
    let mut bytes = main.to_be_bytes().to_vec();
    bytes.push(b'_');
    bytes.extend([0; 8]);
    if deleted {
        bytes.push(b't');
    }
    bytes
}

/// A change as etcd writes it: key, revisions, value.
pub fn change(key: &str, main: u64, value: &[u8]) -> Vec<u8> {
    let mut bytes = field(1, key.as_bytes());
    for number in [2_u8, 3] {
        bytes.push(number << 3);
        bytes.extend(varint(main));
    }
    bytes.extend([4 << 3, 1]);
    bytes.extend(field(5, value));
    bytes
}

/// A field of protobuf that holds bytes.
pub fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    bytes.extend(varint(content.len() as u64));
    bytes.extend(content);
    bytes
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
    bytes
}

/// A Secret or ConfigMap as API servers store it.
pub fn object(kind: &str, uid: &str, data: &[(&str, &[u8])], secret_kind: &str) -> Vec<u8> {
    let mut object = field(1, &field(5, uid.as_bytes()));
    for (key, value) in data {
        object.extend(field(2, &[field(1, key.as_bytes()), field(2, value)].concat()));
    }
    if kind == "Secret" {
        object.extend(field(3, secret_kind.as_bytes()));
    }
    let named = [field(1, b"v1"), field(2, kind.as_bytes())].concat();
    [b"k8s\0".to_vec(), field(1, &named), field(2, &object), field(3, b""), field(4, b"")].concat()
}
