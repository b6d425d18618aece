//! Small compressed files that unpack to very much.
//!
//! They are written directly in the formats' own terms, one zero byte and then copies of it, so that making
//! a gigabyte's worth takes no compressing.

use bytes::Bytes;

/// Zeros that one repetition of [`PATTERN_BITS`] unpacks to.
const PER_PATTERN: u64 = 8 * 258;

/// The smallest such gzip file that unpacks to at least `size` zero bytes.
pub(crate) fn gzip_of_zeros(size: u64) -> Bytes {
    let patterns = size.div_ceil(PER_PATTERN);
    let unpacked = 1 + 258 + patterns * PER_PATTERN;
    let mut bits = Bits::default();
    bits.push_value(0b011, 3); // the last block, with the fixed codes
    bits.push_code(0b0011_0000, 8); // the byte 0
    copy(&mut bits); // three whole bytes so far
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    file.extend(&bits.bytes);
    let mut pattern = Bits::default();
    for _ in 0..8 {
        copy(&mut pattern);
    }
    for _ in 0..patterns {
        file.extend(&pattern.bytes);
    }
    file.push(0); // the end of the block, seven zero bits
    file.extend(crc_of_zeros(unpacked).to_le_bytes());
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the trailer holds the length modulo 2^32"
    )]
    file.extend((unpacked as u32).to_le_bytes());
    Bytes::from(file)
}

/// The smallest brotli stream of whole blocks of 16 MiB that unpacks to at least `size` zero bytes.
///
/// Each block says: the only literal is 0, the only command is "one literal, then a long copy", the only distance is 1.
/// With one symbol a code needs no bits, so a block is its header and the length of the copy.
pub(crate) fn brotli_of_zeros(size: u64) -> Bytes {
    const BLOCK: u32 = 1 << 24;
    let mut bits = Bits::default();
    bits.push_value(0, 1); // a window of 64 KiB
    for _ in 0..size.div_ceil(u64::from(BLOCK)) {
        bits.push_value(0, 1); // not the last block
        bits.push_value(2, 2); // its length takes six nibbles
        bits.push_value(BLOCK - 1, 24);
        bits.push_value(0, 1); // compressed
        bits.push_value(0, 3); // one block type each for literals, commands and distances
        bits.push_value(0, 6); // no postfix bits, no direct distances
        bits.push_value(0, 2); // the literals' context mode
        bits.push_value(0, 2); // one tree each for literals and distances
        only_symbol(&mut bits, 0, 8); // the literal 0
        only_symbol(&mut bits, 399, 10); // insert one, copy 2118 and more
        only_symbol(&mut bits, 16, 6); // a distance of 1 or 2
        bits.push_value(BLOCK - 1 - 2118, 24); // how many more
        bits.push_value(0, 1); // a distance of 1
    }
    bits.push_value(0b11, 2); // the last block, and it is empty
    Bytes::from(bits.bytes)
}

fn only_symbol(bits: &mut Bits, symbol: u32, width: u32) {
    bits.push_value(1, 2); // a simple code
    bits.push_value(0, 2); // of one symbol
    bits.push_value(symbol, width);
}

/// Copies 258 bytes from one byte back.
fn copy(bits: &mut Bits) {
    bits.push_code(0b1100_0101, 8);
    bits.push_code(0, 5);
}

/// Bits as deflate packs them: into bytes from the low end.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    used: u32,
}

impl Bits {
    fn push(&mut self, bit: u32) {
        if self.used.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if let Some(last) = self.bytes.last_mut() {
            *last |= u8::from(bit != 0) << (self.used % 8);
        }
        self.used += 1;
    }

    /// Numbers go in from their low end.
    fn push_value(&mut self, value: u32, width: u32) {
        for index in 0..width {
            self.push(value >> index & 1);
        }
    }

    /// Codes go in from their high end.
    fn push_code(&mut self, code: u32, width: u32) {
        for index in (0..width).rev() {
            self.push(code >> index & 1);
        }
    }
}

/// CRC-32 of that many zero bytes, by squaring the step of one byte instead of taking every step.
fn crc_of_zeros(mut count: u64) -> u32 {
    let mut step: Vec<u32> = (0..32).map(|bit| after_zero_byte(1 << bit)).collect();
    let mut state = u32::MAX;
    while count > 0 {
        if count & 1 == 1 {
            state = applied(&step, state);
        }
        step = step.iter().map(|column| applied(&step, *column)).collect();
        count >>= 1;
    }
    !state
}

fn after_zero_byte(mut state: u32) -> u32 {
    for _ in 0..8 {
        state = if state & 1 == 1 {
            state >> 1 ^ 0xedb8_8320
        } else {
            state >> 1
        };
    }
    state
}

fn applied(columns: &[u32], state: u32) -> u32 {
    columns
        .iter()
        .enumerate()
        .filter(|(bit, _)| state >> bit & 1 == 1)
        .fold(0, |sum, (_, column)| sum ^ column)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gigabyte_fits_in_seven_megabytes() {
        let file = gzip_of_zeros(1 << 30);
        assert!(file.len() < 7_000_000, "{}", file.len());
        assert_eq!(file[..3], [0x1f, 0x8b, 8]);
    }

    #[test]
    fn a_gigabyte_fits_in_a_kilobyte_of_brotli() {
        assert!(brotli_of_zeros(1 << 30).len() < 1024);
    }

    #[test]
    fn the_checksum_of_zeros_is_the_known_one() {
        assert_eq!(crc_of_zeros(0), 0);
        assert_eq!(crc_of_zeros(1), 0xd202_ef8d);
        assert_eq!(crc_of_zeros(4), 0x2144_df1c);
    }
}
