//! Which characters the bytes of a text are: by its byte order mark, by what it says of itself, else by what it looks
//! like.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE};

/// Bytes at the beginning of a document in which it says how it is encoded. Browsers look at 1,024; what generators
/// put before it is longer at times.
const DECLARATION: usize = 4096;

/// Of UTF-8 with a broken character here and there one is broken in so many that are whole, besides ASCII.
const WHOLE_FOR_BROKEN: usize = 10;

/// The characters of `bytes`, without byte order mark. `declares` says whether the format can name its encoding, as
/// HTML and XML can.
///
/// # Errors
/// The name of the encoding that cannot be read.
pub(crate) fn decode(bytes: &[u8], declares: bool) -> Result<Cow<'_, str>, String> {
    if bytes.starts_with(&[0xff, 0xfe, 0, 0]) || bytes.starts_with(&[0, 0, 0xfe, 0xff]) {
        return Err("UTF-32".to_owned());
    }
    if let Some((encoding, mark)) = Encoding::for_bom(bytes) {
        return read(encoding, &bytes[mark..]);
    }
    if let Some(encoding) = utf_16(bytes) {
        return read(encoding, bytes);
    }
    // The escapes of ISO-2022-JP are all ASCII.
    let escapes = bytes.contains(&0x1b);
    if !escapes && let Ok(text) = std::str::from_utf8(bytes) {
        return Ok(Cow::Borrowed(text));
    }
    if is_broken_utf_8(bytes) {
        return Ok(String::from_utf8_lossy(bytes));
    }
    if let Some(label) = declares.then(|| declared(bytes)).flatten() {
        match Encoding::for_label(label.as_bytes()).filter(|encoding| *encoding != REPLACEMENT) {
            None => return Err(label),
            // Whoever copies a page into another encoding forgets its declaration.
            Some(encoding) if encoding == UTF_8 => {}
            Some(encoding) => return read(encoding, bytes),
        }
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(bytes, true);
    read(detector.guess(None, Utf8Detection::Allow), bytes)
}

/// Whether `head`, the beginning of a file, is text in an encoding that can be read.
pub(crate) fn is_text(head: &[u8]) -> bool {
    let marked = Encoding::for_bom(head).is_some() && !head.starts_with(&[0xff, 0xfe, 0, 0]);
    let plain = !head.iter().any(|byte| is_binary(*byte));
    marked || plain || (is_utf_8(head) && !head.contains(&0)) || utf_16(head).is_some()
}

/// Whether `head` is UTF-8 without bytes that stand in no text: what no signature of another format outweighs.
pub(crate) fn is_plainly_text(head: &[u8]) -> bool {
    is_utf_8(head) && !head.iter().any(|byte| is_binary(*byte))
}

/// Whether `head` is UTF-8, cut off within a character at most.
fn is_utf_8(head: &[u8]) -> bool {
    std::str::from_utf8(head).map_or_else(|error| error.error_len().is_none(), |_| true)
}

/// `bytes` in this encoding, or its name if not all of them can be.
fn read<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Result<Cow<'a, str>, String> {
    // A character cut off at the end is no reason to throw the others away.
    let whole = match encoding {
        _ if encoding == UTF_16LE || encoding == UTF_16BE => bytes.len() & !1,
        _ => bytes.len(),
    };
    let (text, broken) = encoding.decode_without_bom_handling(&bytes[..whole]);
    if broken && encoding != UTF_8 {
        return Err(encoding.name().to_owned());
    }
    Ok(text)
}

/// A byte that stands in no text (WHATWG MIME Sniffing, "binary data byte").
fn is_binary(byte: u8) -> bool {
    matches!(byte, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)
}

/// UTF-16 without a mark, by the zeros that ASCII has in it and that stand in no other text.
fn utf_16(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = &bytes[..bytes.len().min(DECLARATION) & !1];
    let zeros = |first: usize| {
        head.iter()
            .skip(first)
            .step_by(2)
            .filter(|byte| **byte == 0)
            .count()
    };
    match (zeros(0), zeros(1)) {
        _ if head.len() < 8 => None,
        (0, low) if low * 4 > head.len() / 2 => Some(UTF_16LE),
        (high, 0) if high * 4 > head.len() / 2 => Some(UTF_16BE),
        _ => None,
    }
}

/// Whether `bytes` are UTF-8 but for a few characters: a file that was cut, or glued from two.
fn is_broken_utf_8(bytes: &[u8]) -> bool {
    let (mut whole, mut broken) = (0, 0);
    let mut cut = false;
    for chunk in bytes.utf8_chunks() {
        whole += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        cut = std::str::from_utf8(chunk.invalid()).is_err_and(|error| error.error_len().is_none());
        broken += usize::from(!chunk.invalid().is_empty());
    }
    // What is cut off at the end is not counted, if there is a whole character to say that this is UTF-8.
    broken -= usize::from(cut);
    whole > 0 && (broken * WHOLE_FOR_BROKEN <= whole) && (broken > 0 || cut)
}

/// The encoding that a document names at its beginning: `<meta charset=…>`, `<meta … content="…; charset=…">`,
/// `<?xml … encoding=…?>`.
fn declared(bytes: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(DECLARATION)]).to_ascii_lowercase();
    let xml = head
        .strip_prefix("<?xml")
        .and_then(|rest| rest.split("?>").next());
    let metas = head
        .split("<meta")
        .skip(1)
        .filter_map(|rest| rest.split('>').next());
    let named = |tag: &str, key: &str| {
        let value = tag
            .split(key)
            .nth(1)?
            .trim_start()
            .strip_prefix('=')?
            .trim_start();
        let value = value.trim_start_matches(['"', '\'']);
        let end = value.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:.".contains(c)));
        Some(value[..end.unwrap_or(value.len())].to_owned()).filter(|label| !label.is_empty())
    };
    xml.and_then(|tag| named(tag, "encoding"))
        .or_else(|| metas.filter_map(|tag| named(tag, "charset")).next())
}

#[cfg(test)]
mod tests {
    use encoding_rs::{BIG5, EUC_KR, GBK, ISO_2022_JP, KOI8_R, SHIFT_JIS, WINDOWS_1252};

    use super::*;

    const GERMAN: &str =
        "Die Brücke trägt höchstens drei Tonnen.\nDas Geländer ist für Fußgänger da – nicht für Fahrräder.";

    fn utf_16_of(text: &str, of: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(of).collect()
    }

    #[test]
    fn marks_and_zeros_tell_utf_16() {
        let (little, big) = (
            utf_16_of(GERMAN, u16::to_le_bytes),
            utf_16_of(GERMAN, u16::to_be_bytes),
        );
        let marked = |mark: &[u8], text: &[u8]| [mark, text].concat();
        for bytes in [
            marked(&[0xff, 0xfe], &little),
            marked(&[0xfe, 0xff], &big),
            marked(&[0xef, 0xbb, 0xbf], GERMAN.as_bytes()),
            [marked(&[0xff, 0xfe], &little), vec![0x20]].concat(),
            little,
            big,
        ] {
            assert_eq!(decode(&bytes, false).as_deref(), Ok(GERMAN));
            assert!(is_text(&bytes));
        }
        assert_eq!(decode(b"\xff\xfe\0\0a\0\0\0", false), Err("UTF-32".to_owned()));
        assert!(!is_text(b"\xff\xfe\0\0a\0\0\0") && !is_text(b"a\0b"));
    }

    #[test]
    fn what_nothing_names_is_detected() {
        let russian = "Съешь же ещё этих мягких французских булок, да выпей чаю.";
        let japanese = "いろはにほへと ちりぬるを わかよたれそ つねならむ";
        let texts = [
            (GERMAN, WINDOWS_1252),
            (russian, KOI8_R),
            (japanese, SHIFT_JIS),
            (japanese, ISO_2022_JP),
            ("我们今天学习植物的光合作用，它在叶子里进行。", GBK),
            ("我們今天學習植物的光合作用，它在葉子裡進行。", BIG5),
            ("식물의 광합성은 잎에서 일어난다.", EUC_KR),
        ];
        for (text, encoding) in texts {
            let (bytes, _, _) = encoding.encode(text);
            assert_eq!(decode(&bytes, false).as_deref(), Ok(text), "{}", encoding.name());
            assert!(is_text(&bytes));
        }
    }

    #[test]
    fn a_declaration_is_believed_unless_the_bytes_are_utf_8() {
        let page = |head: &str, text: &[u8]| [head.as_bytes(), text].concat();
        let latin = b"<p>Die F\xf6rde";
        for head in [
            "<html><meta charset=ISO-8859-1>",
            "<meta http-equiv='content-type' content='text/html; charset=iso-8859-1'>",
            "<?xml version='1.0' encoding='ISO-8859-1'?>",
            "<meta charset='utf-8'>",
        ] {
            let read = decode(&page(head, latin), true).map(Cow::into_owned);
            assert_eq!(read.as_deref(), Ok(&*format!("{head}<p>Die Förde")));
        }
        let cyrillic = page("<meta charset=\"windows-1251\">", b"\xcc\xee\xf1\xea\xe2\xe0");
        assert!(decode(&cyrillic, true).unwrap().ends_with("Москва"));
        let unicode = page("<meta charset=windows-1251>", "Förde".as_bytes());
        assert!(decode(&unicode, true).unwrap().ends_with("Förde"));
        assert_eq!(
            decode(&page("<meta charset=ebcdic-cp-us>", latin), true),
            Err("ebcdic-cp-us".to_owned())
        );
    }

    #[test]
    fn a_cut_or_broken_character_costs_only_itself() {
        let text = "Die Brücke trägt eine große Last bis ü";
        let cut = &text.as_bytes()[..text.len() - 1];
        assert_eq!(
            decode(cut, false).as_deref(),
            Ok("Die Brücke trägt eine große Last bis \u{fffd}")
        );
        let glued = [GERMAN.as_bytes(), b" \xfc ", GERMAN.as_bytes()].concat();
        assert_eq!(decode(&glued, false).unwrap().matches('\u{fffd}').count(), 1);
    }
}
