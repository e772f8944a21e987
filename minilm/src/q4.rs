//! Numbers of four bits: blocks of 32 with a common scale, as ggml's `Q4_0` has them.

/// Numbers of a block.
const BLOCK: usize = 32;
/// Bytes of a block: the scale in half precision, then two numbers in each byte, the first half of the block in the low bits.
const BYTES: usize = 2 + BLOCK / 2;

/// Bytes of so many numbers, which are whole blocks.
pub(crate) const fn bytes(numbers: usize) -> usize {
    numbers / BLOCK * BYTES
}

/// The numbers of whole blocks.
pub(crate) fn values(bytes: &[u8]) -> impl Iterator<Item = f32> + '_ {
    let (blocks, _) = bytes.as_chunks::<BYTES>();
    blocks.iter().flat_map(|block| {
        let scale = half(u16::from_le_bytes([block[0], block[1]]));
        let number = move |bits: u8| (f32::from(bits) - 8.0) * scale;
        let low = block[2..].iter().map(move |byte| number(byte & 0x0f));
        let high = block[2..].iter().map(move |byte| number(byte >> 4));
        low.chain(high)
    })
}

/// A number in half precision (IEEE 754 binary16) that is finite.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff) / 1024.0);
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-14),
        _ => (1.0 + fraction) * 2.0_f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_its_scale_times_its_numbers() {
        assert_eq!(bytes(384), 216);
        let mut block = 0x3800_u16.to_le_bytes().to_vec();
        block.extend([0x0f; 16]);
        let numbers: Vec<f32> = values(&block).collect();
        assert_eq!(numbers[..16], [3.5; 16]);
        assert_eq!(numbers[16..], [-4.0; 16]);
    }

    #[test]
    fn half_precision_agrees_with_published_values() {
        for (bits, number) in [
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits), number);
        }
    }
}
