//! Protobuf with `$NAME` where objects differ: a real object's, written anew with every value.

/// A message that differs from object to object, or a part of it.
pub(crate) enum Part {
    /// The same in every object.
    Same(Vec<u8>),
    /// Text with a name in it: the field's head, what stands before the name, the name, what stands behind.
    Text(Vec<u8>, String, String, String),
    /// A message: the field's head, and what is in it.
    Message(Vec<u8>, Vec<Self>),
}

impl Part {
    /// Takes a message to pieces.
    pub(crate) fn of(message: &[u8]) -> Vec<Self> {
        let mut parts = Vec::new();
        let mut rest = message;
        while !rest.is_empty() {
            let (head, after) = varint(rest);
            let mut field = rest[..rest.len() - after.len()].to_vec();
            let content = match head & 7 {
                0 => {
                    let (_, next) = varint(after);
                    field.extend_from_slice(&after[..after.len() - next.len()]);
                    rest = next;
                    &[][..]
                }
                2 => {
                    let (length, next) = varint(after);
                    let (content, next) = next.split_at(usize::try_from(length).expect("small"));
                    rest = next;
                    content
                }
                kind => panic!("no object of the benches has a field of kind {kind}"),
            };
            if content.contains(&b'$') {
                parts.push(Self::differing(field, content));
            } else if head & 7 == 2 {
                put(&mut field, content);
                parts.push(Self::Same(field));
            } else {
                parts.push(Self::Same(field));
            }
        }
        parts
    }

    /// Text can be read; a message has small numbers in it, which cannot.
    fn differing(head: Vec<u8>, content: &[u8]) -> Self {
        if !content.iter().all(|byte| (b' '..=b'~').contains(byte)) {
            return Self::Message(head, Self::of(content));
        }
        let text = std::str::from_utf8(content).expect("ASCII");
        let (before, after) = text.split_once('$').expect("a name");
        let end = after.find(|c: char| !c.is_ascii_uppercase()).unwrap_or(after.len());
        Self::Text(head, before.to_owned(), after[..end].to_owned(), after[end..].to_owned())
    }

    /// How long the message with these values is.
    fn size(parts: &[Self], values: &[(&str, &str)]) -> usize {
        let with_length = |head: &[u8], size: usize| head.len() + length_of(size) + size;
        parts
            .iter()
            .map(|part| match part {
                Self::Same(bytes) => bytes.len(),
                Self::Text(head, before, name, after) => {
                    with_length(head, before.len() + value(values, name).len() + after.len())
                }
                Self::Message(head, parts) => with_length(head, Self::size(parts, values)),
            })
            .sum()
    }

    /// Writes the message with these values, and its length before it.
    pub(crate) fn put(parts: &[Self], values: &[(&str, &str)], out: &mut Vec<u8>) {
        length(out, Self::size(parts, values));
        Self::write(parts, values, out);
    }

    fn write(parts: &[Self], values: &[(&str, &str)], out: &mut Vec<u8>) {
        for part in parts {
            match part {
                Self::Same(bytes) => out.extend_from_slice(bytes),
                Self::Text(head, before, name, after) => {
                    let value = value(values, name);
                    out.extend_from_slice(head);
                    length(out, before.len() + value.len() + after.len());
                    for text in [before, value, after] {
                        out.extend_from_slice(text.as_bytes());
                    }
                }
                Self::Message(head, parts) => {
                    out.extend_from_slice(head);
                    Self::put(parts, values, out);
                }
            }
        }
    }
}

fn value<'a>(values: &[(&str, &'a str)], name: &str) -> &'a str {
    values.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value)
}

/// Bytes with their length before them.
pub(crate) fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    length(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// Bytes that a length takes.
fn length_of(value: usize) -> usize {
    (value.max(1).ilog2() / 7 + 1) as usize
}

/// Writes a length.
fn length(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("seven bits"));
}

fn varint(bytes: &[u8]) -> (u64, &[u8]) {
    let mut value = 0;
    for (index, byte) in bytes.iter().enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return (value, &bytes[index + 1..]);
        }
    }
    panic!("a number without an end")
}
