//! Just enough DER (X.690) to find the parts that signatures and digests are made over.

/// One element: its tag, what is in it, and both together.
#[derive(Clone, Copy, Debug)]
pub(in crate::facts) struct Element<'a> {
    pub(in crate::facts) tag: u8,
    pub(in crate::facts) content: &'a [u8],
    pub(in crate::facts) whole: &'a [u8],
}

pub(in crate::facts) const SEQUENCE: u8 = 0x30;
pub(in crate::facts) const BIT_STRING: u8 = 0x03;

/// The first element and what follows it; `None` where there is none of a definite length of at most four octets.
pub(in crate::facts) fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (tag, rest) = bytes.split_first()?;
    let (first, mut rest) = rest.split_first()?;
    let mut length = usize::from(*first);
    if length >= 0x80 {
        let octets = length - 0x80;
        if octets == 0 || octets > 4 || rest.len() < octets {
            return None;
        }
        let (written, after) = rest.split_at(octets);
        length = written.iter().fold(0, |sum, octet| sum << 8 | usize::from(*octet));
        rest = after;
    }
    if rest.len() < length {
        return None;
    }
    let (content, after) = rest.split_at(length);
    let whole = &bytes[..bytes.len() - after.len()];
    Some((Element { tag: *tag, content, whole }, after))
}

/// The content of the first element, if it has this tag, and what follows it.
pub(in crate::facts) fn content(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    element(bytes).filter(|(found, _)| found.tag == tag).map(|(found, rest)| (found.content, rest))
}

/// What is signed, by which algorithm, and the signature: `SEQUENCE { body, AlgorithmIdentifier, BIT STRING }`, as
/// certificates (RFC 5280, 4.1) and requests (RFC 2986, 4) have it.
#[derive(Clone, Copy, Debug)]
pub(in crate::facts) struct SignedParts<'a> {
    /// The signed element, whole.
    pub(in crate::facts) body: &'a [u8],
    /// The content of the algorithm's SEQUENCE.
    pub(in crate::facts) algorithm: &'a [u8],
    /// The signature.
    pub(in crate::facts) signature: &'a [u8],
}

pub(in crate::facts) fn signed_parts(bytes: &[u8]) -> Option<SignedParts<'_>> {
    let (inside, _) = content(bytes, SEQUENCE)?;
    let (body, rest) = element(inside)?;
    let (algorithm, rest) = content(rest, SEQUENCE)?;
    let (bits, _) = content(rest, BIT_STRING)?;
    // The first octet of a BIT STRING counts unused bits; keys and signatures have none.
    let signature = bits.strip_prefix(&[0])?;
    Some(SignedParts { body: body.whole, algorithm, signature })
}

/// The algorithm's content and the key of a SubjectPublicKeyInfo (RFC 5280, 4.1.2.7).
pub(in crate::facts) fn key_parts(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let (inside, _) = content(spki, SEQUENCE)?;
    let (algorithm, rest) = content(inside, SEQUENCE)?;
    let (bits, _) = content(rest, BIT_STRING)?;
    Some((algorithm, bits.strip_prefix(&[0])?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements() {
        let (found, rest) = element(&[0x30, 2, 1, 2, 9]).expect("an element");
        assert_eq!(
            (found.tag, found.content, found.whole, rest),
            (0x30, &[1, 2][..], &[0x30, 2, 1, 2][..], &[9][..])
        );
        let long = [&[4, 0x82, 1, 0][..], &[7; 256]].concat();
        assert_eq!(element(&long).expect("an element").0.content.len(), 256);
        for broken in [
            &[][..],
            &[4],
            &[4, 1],
            &[4, 0x80, 0, 0],
            &[4, 0x85, 0, 0, 0, 0, 1, 1],
            &[4, 0x84, 255, 255, 255, 255],
        ] {
            assert!(element(broken).is_none(), "{broken:?}");
        }
    }
}
