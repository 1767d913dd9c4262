//! Protobuf, as far as it is needed: the fields of a message, in order.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    /// A number.
    Number(u64),
    /// Bytes, text or a message.
    Bytes(&'a [u8]),
}

/// Something is not what its type says, or ends too early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damaged;

impl<'a> Value<'a> {
    /// A message, or bytes.
    pub(crate) fn bytes(self) -> Result<&'a [u8], Damaged> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(Damaged),
        }
    }

    /// Text.
    pub(crate) fn text(self) -> Result<&'a str, Damaged> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Damaged)
    }

    /// A number, as 64 bits without a sign hold it.
    pub(crate) fn number(self) -> Result<u64, Damaged> {
        match self {
            Self::Number(number) => Ok(number),
            Self::Bytes(_) => Err(Damaged),
        }
    }

    /// A truth value.
    pub(crate) fn flag(self) -> Result<bool, Damaged> {
        self.number().map(|number| number != 0)
    }
}

/// The fields of a message, in order; ends with an error in the place of a field that is damaged.
pub(crate) fn fields(message: &[u8]) -> impl Iterator<Item = Result<(u64, Value<'_>), Damaged>> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let bytes = rest.filter(|bytes| !bytes.is_empty())?;
        let found = field(bytes);
        rest = found.map(|(_, rest)| rest);
        Some(found.map(|(field, _)| field).ok_or(Damaged))
    })
}

/// Hands each field of a message to the reader, with its number.
pub(crate) fn each<'a>(
    message: &'a [u8],
    mut read: impl FnMut(u64, Value<'a>) -> Result<(), Damaged>,
) -> Result<(), Damaged> {
    fields(message).try_for_each(|field| field.and_then(|(number, value)| read(number, value)))
}

/// The first field of this number; nothing of what follows it is looked at.
pub(crate) fn first(message: &[u8], wanted: u64) -> Option<Value<'_>> {
    let found = fields(message).map_while(Result::ok).find(|(number, _)| *number == wanted);
    found.map(|(_, value)| value)
}

/// The last bytes of this field, as readers of protobuf take it; `None` where there are none or the message is damaged.
pub(crate) fn last_bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut last = None;
    for field in fields(message) {
        if let (number, Value::Bytes(bytes)) = field.ok()?
            && number == wanted
        {
            last = Some(bytes);
        }
    }
    last
}

/// The same as text.
pub(crate) fn last_text(message: &[u8], wanted: u64) -> Option<&str> {
    std::str::from_utf8(last_bytes(message, wanted)?).ok()
}

/// What every object in this form begins with.
const MAGIC: &[u8] = b"k8s\0";

/// Whether a body is in this form.
pub(crate) fn is(body: &[u8]) -> bool {
    body.starts_with(MAGIC)
}

/// The content of an object of this kind.
pub(crate) fn object<'a>(body: &'a [u8], wanted: &str) -> Option<&'a [u8]> {
    // runtime.Unknown and its TypeMeta
    let envelope = body.strip_prefix(MAGIC)?;
    let kind = first(first(envelope, 1)?.bytes().ok()?, 2)?.text().ok()?;
    if kind != wanted {
        return None;
    }
    first(envelope, 2)?.bytes().ok()
}

fn field(bytes: &[u8]) -> Option<((u64, Value<'_>), &[u8])> {
    let (head, rest) = varint(bytes)?;
    let (number, kind) = (head >> 3, head & 7);
    let (value, rest) = match kind {
        0 => {
            let (value, rest) = varint(rest)?;
            (Value::Number(value), rest)
        }
        1 => {
            let (fixed, rest) = rest.split_first_chunk::<8>()?;
            (Value::Number(u64::from_le_bytes(*fixed)), rest)
        }
        2 => {
            let (length, rest) = varint(rest)?;
            let (value, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
            (Value::Bytes(value), rest)
        }
        5 => {
            let (fixed, rest) = rest.split_first_chunk::<4>()?;
            (Value::Number(u32::from_le_bytes(*fixed).into()), rest)
        }
        _ => return None,
    };
    Some(((number, value), rest))
}

fn varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (index, byte) in bytes.iter().enumerate().take(10) {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, &bytes[index + 1..]));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_all_kinds() {
        let message = [
            &[0x08, 0x96, 1][..],
            &[0x12, 2, b'h', b'i'],
            &[0x19, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0x25, 2, 0, 0, 0],
            &[0x12, 1, 0xff],
        ]
        .concat();
        let all: Vec<_> = fields(&message).collect::<Result<_, _>>().expect("whole");
        assert_eq!(all[0], (1, Value::Number(150)));
        assert_eq!((all[1].0, all[1].1.text()), (2, Ok("hi")));
        assert_eq!(all[2], (3, Value::Number(1)));
        assert_eq!(all[3], (4, Value::Number(2)));
        assert_eq!((all[4].1.text(), all[4].1.number()), (Err(Damaged), Err(Damaged)));
        assert_eq!((all[0].1.flag(), all[0].1.bytes()), (Ok(true), Err(Damaged)));
        assert_eq!((first(&message, 3), first(&message, 9)), (Some(Value::Number(1)), None));
        assert_eq!((last_text(&message[..7], 2), last_bytes(&message, 9)), (Some("hi"), None));
        assert_eq!((last_bytes(&message, 2), last_text(&message, 2)), (Some(&[0xff][..]), None));
        for cut in [1, 2, 4, 6, 8, 17] {
            assert_eq!(each(&message[..cut], |_, _| Ok(())), Err(Damaged), "{cut}");
            assert_eq!(last_bytes(&message[..cut], 2), None, "{cut}");
        }
        assert_eq!(each(&[0xff; 12], |_, _| Ok(())), Err(Damaged));
        assert_eq!(each(&[0x0b], |_, _| Ok(())), Err(Damaged), "a group");
    }
}
