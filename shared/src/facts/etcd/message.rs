//! Protobuf, as far as it is needed: the fields of a message, in order.

/// What a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    /// A number.
    Number(u64),
    /// Bytes, text or a message.
    Bytes(&'a [u8]),
}

/// The fields of a message; ends with `None` in the place of a field that is damaged.
pub(super) fn fields(message: &[u8]) -> impl Iterator<Item = Option<(u64, Value<'_>)>> {
    let mut rest = Some(message);
    std::iter::from_fn(move || {
        let bytes = rest.filter(|bytes| !bytes.is_empty())?;
        let found = field(bytes);
        rest = found.map(|(_, rest)| rest);
        Some(found.map(|(field, _)| field))
    })
}

/// The last bytes of this field, as readers of protobuf take it; `None` where there are none or the message is damaged.
pub(super) fn bytes(message: &[u8], wanted: u64) -> Option<&[u8]> {
    let mut last = None;
    for field in fields(message) {
        if let (number, Value::Bytes(bytes)) = field?
            && number == wanted
        {
            last = Some(bytes);
        }
    }
    last
}

/// The same as text.
pub(super) fn text(message: &[u8], wanted: u64) -> Option<&str> {
    std::str::from_utf8(bytes(message, wanted)?).ok()
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
            &[0x12, 1, b'x'],
        ]
        .concat();
        let all: Vec<_> = fields(&message).collect();
        assert_eq!(all[0], Some((1, Value::Number(150))));
        assert_eq!(all[1], Some((2, Value::Bytes(b"hi"))));
        assert_eq!(all[2], Some((3, Value::Number(1))));
        assert_eq!(all[3], Some((4, Value::Number(2))));
        assert_eq!((text(&message, 2), bytes(&message, 9)), (Some("x"), None));
        for cut in [1, 2, 4, 6, 8, 17] {
            assert_eq!(fields(&message[..cut]).last(), Some(None), "{cut}");
            assert_eq!(bytes(&message[..cut], 2), None, "{cut}");
        }
        assert_eq!(fields(&[0xff; 12]).last(), Some(None));
    }
}
