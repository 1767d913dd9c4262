//! A writer of DER.

/// An element with this tag.
pub fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(content.len()) {
        bytes.push(short);
    } else {
        let octets: Vec<u8> =
            content.len().to_be_bytes().into_iter().skip_while(|b| *b == 0).collect();
        bytes.push(0x80 | u8::try_from(octets.len()).expect("few octets"));
        bytes.extend(octets);
    }
    bytes.extend(content);
    bytes
}

/// A SEQUENCE of these elements.
pub fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    wrap(0x30, &parts.concat())
}

/// An OBJECT IDENTIFIER, from its dotted form.
pub fn oid(dotted: &str) -> Vec<u8> {
    let arcs: Vec<u64> = dotted.split('.').map(|arc| arc.parse().expect("a number")).collect();
    let mut content = Vec::new();
    let first = arcs[0] * 40 + arcs[1];
    for arc in std::iter::once(first).chain(arcs[2..].iter().copied()) {
        let mut groups = vec![u8::try_from(arc & 0x7f).expect("seven bits")];
        let mut rest = arc >> 7;
        while rest > 0 {
            groups.push(0x80 | u8::try_from(rest & 0x7f).expect("seven bits"));
            rest >>= 7;
        }
        content.extend(groups.into_iter().rev());
    }
    wrap(0x06, &content)
}

/// An INTEGER with exactly these octets.
pub fn integer(octets: &[u8]) -> Vec<u8> {
    wrap(0x02, octets)
}

/// An INTEGER that is not negative, whatever its first bit.
pub fn unsigned(octets: &[u8]) -> Vec<u8> {
    if octets.first().is_some_and(|first| first & 0x80 != 0) {
        integer(&[&[0], octets].concat())
    } else {
        integer(octets)
    }
}

/// A BIT STRING of whole octets.
pub fn bits(octets: &[u8]) -> Vec<u8> {
    wrap(0x03, &[&[0], octets].concat())
}

/// A BIT STRING of named bits, from the left, without trailing zeros.
pub fn named_bits(set: &[u8]) -> Vec<u8> {
    let mut octets = [0_u8; 2];
    for bit in set {
        octets[usize::from(bit / 8)] |= 0x80 >> (bit % 8);
    }
    let used = if octets[1] != 0 { 2 } else { usize::from(octets[0] != 0) };
    let unused = octets[..used].last().map_or(0, |last| last.trailing_zeros());
    let unused = u8::try_from(unused).expect("at most seven");
    wrap(0x03, &[&[unused], &octets[..used]].concat())
}

/// An OCTET STRING.
pub fn octets(content: &[u8]) -> Vec<u8> {
    wrap(0x04, content)
}

/// `[NUMBER]` around an element.
pub fn tagged(number: u8, content: &[u8]) -> Vec<u8> {
    wrap(0xa0 | number, content)
}
