//! Mutations: what a fuzzer does, bounded, the same in each run, and on stable Rust.
#![expect(clippy::disallowed_methods, reason = "how often is said by a variable, for long runs")]

/// How many rounds a test makes: so many, or what the variable `ROTATION_MUTATIONS` says.
///
/// # Panics
///
/// When the variable is no number.
pub fn rounds(usual: usize) -> usize {
    std::env::var("ROTATION_MUTATIONS")
        .map_or(usual, |text| text.parse().expect("ROTATION_MUTATIONS is a number"))
}

/// Numbers that are the same in each run: xorshift64*.
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers in each run.
    pub fn seeded() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below this one, or 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap_or(0)
    }

    fn octet(&mut self) -> u8 {
        self.next().to_le_bytes()[7]
    }

    /// One to five changes: bits, octets, lengths, cuts, doublings, pieces of another one.
    pub fn mutate(&mut self, seed: &[u8], other: &[u8]) -> Vec<u8> {
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            let length = self.below(64).min(bytes.len() - at);
            match self.below(8) {
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.octet(),
                2 => bytes[at] = [0, 1, 0x7f, 0x80, 0x81, 0x84, 0xfe, 0xff][self.below(8)],
                3 => bytes.truncate(at),
                4 => drop(bytes.drain(at..at + length)),
                5 => {
                    let piece = bytes[at..at + length].to_vec();
                    bytes.splice(at..at, piece);
                }
                6 => {
                    let from = self.below(other.len());
                    let piece = other[from..].iter().take(64).copied().collect::<Vec<_>>();
                    bytes.splice(at..at + length, piece);
                }
                _ => bytes.insert(at, self.octet()),
            }
        }
        bytes
    }
}
