//! Decodes a body: finds its encoding and repairs bytes that do not fit.
//!
//! The most reliable evidence comes first: a byte order mark; valid UTF-8, which no other encoding
//! with more than a few accents is by chance; the XML declaration; the HTTP header. Without any, a
//! body is UTF-8 with single bad bytes.

use std::borrow::Cow;
use std::str::Utf8Chunk;
use std::sync::LazyLock;

use encoding_rs::{CoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use memchr::{memchr2_iter, memmem};

use super::parse::source::{Edits, Source, Tally};
use super::response::RepairKind;

/// Decodes a body. Unreadable bytes become U+FFFD and are counted. `None` if the text has more than
/// `limit` bytes.
///
/// `charset` comes from the HTTP header.
pub(crate) fn decode<'b>(
    body: &'b [u8],
    charset: Option<&str>,
    limit: usize,
) -> Option<Source<'b>> {
    if let Some((encoding, mark)) = Encoding::for_bom(body) {
        if encoding == UTF_8 {
            return utf8(body, mark, charset, limit);
        }
        return transcode(body, encoding, mark, limit);
    }
    // UTF-16 without a mark has a zero byte beside its first `<`.
    match body {
        [b'<', 0, ..] => return transcode(body, UTF_16LE, 0, limit),
        [0, b'<', ..] => return transcode(body, UTF_16BE, 0, limit),
        _ => {}
    }
    if let Ok(text) = simdutf8::basic::from_utf8(body) {
        return valid_utf8(body, text, Edits::default(), charset, limit);
    }
    match declared(body).or_else(|| charset.and_then(encoding)) {
        Some(encoding) if encoding != UTF_8 => transcode(body, encoding, 0, limit),
        _ => utf8(body, 0, None, limit),
    }
}

/// A body whose `text` after the byte order mark is UTF-8, whatever the answer claims.
fn valid_utf8<'b>(
    body: &'b [u8],
    text: &'b str,
    decoding: Edits,
    charset: Option<&str>,
    limit: usize,
) -> Option<Source<'b>> {
    let mut general = Tally::default();
    let claim = declared(body).or_else(|| charset.and_then(encoding));
    if claim.is_some_and(|encoding| encoding != UTF_8) && !text.is_ascii() {
        general.add(RepairKind::Encoding, 1);
    }
    let source = Source {
        body,
        text: Cow::Borrowed(text),
        decoding,
        repairing: Edits::default(),
        general,
    };
    (text.len() <= limit).then_some(source)
}

/// Decodes UTF-8 after the byte order mark. Bad bytes are repaired one by one.
fn utf8<'b>(
    body: &'b [u8],
    mark: usize,
    charset: Option<&str>,
    limit: usize,
) -> Option<Source<'b>> {
    let mut decoding = Edits::default();
    if mark > 0 {
        decoding.push(0..mark, 0, None);
    }
    if let Ok(text) = simdutf8::basic::from_utf8(&body[mark..]) {
        return valid_utf8(body, text, decoding, charset, limit);
    }
    let text = repair_utf8(body, mark, &mut decoding, limit)?;
    let source = Source {
        body,
        text: Cow::Owned(text),
        decoding,
        repairing: Edits::default(),
        general: Tally::default(),
    };
    (source.text.len() <= limit).then_some(source)
}

fn repair_utf8(body: &[u8], mark: usize, edits: &mut Edits, limit: usize) -> Option<String> {
    let mut text = String::with_capacity(body.len() + body.len() / 16);
    let mut at = mark;
    while let Some(chunk) = body[at..].utf8_chunks().next() {
        text.push_str(chunk.valid());
        at += chunk.valid().len();
        if chunk.invalid().is_empty() {
            continue;
        }
        let (c, bytes, kind) = surrogates(&body[at..]).unwrap_or_else(|| {
            let bytes = chunk.invalid().len();
            (repair_bytes(&chunk), bytes, RepairKind::InvalidUtf8)
        });
        text.push(c);
        edits.push(at..at + bytes, c.len_utf8(), Some(kind));
        at += bytes;
        if text.len() > limit {
            return None;
        }
    }
    Some(text)
}

/// The character that `bytes` begin with as programs write it that take UTF-16 for characters: a
/// pair of surrogates, each as if it were a character (CESU-8), or NUL in two bytes (Java). Also a
/// surrogate alone, which means nothing. With the number of bytes.
fn surrogates(bytes: &[u8]) -> Option<(char, usize, RepairKind)> {
    let unit = |bytes: &[u8]| match bytes {
        [0xED, high @ 0xA0..=0xBF, low @ 0x80..=0xBF, ..] => {
            Some(0xD000 | u16::from(high & 0x3F) << 6 | u16::from(low & 0x3F))
        }
        _ => None,
    };
    let unreadable = (char::REPLACEMENT_CHARACTER, RepairKind::InvalidUtf8);
    if bytes.starts_with(&[0xC0, 0x80]) {
        return Some((unreadable.0, 2, unreadable.1));
    }
    let first = unit(bytes)?;
    let pair = [first, unit(&bytes[3..]).unwrap_or_default()];
    let mut decoded = char::decode_utf16(pair);
    match decoded.next() {
        Some(Ok(c)) => Some((c, 6, RepairKind::SurrogatePair)),
        _ => Some((unreadable.0, 3, unreadable.1)),
    }
}

/// The character for bytes that are not UTF-8. A single one is most often a letter of
/// Windows-1252; the rest of a longer sequence is not.
fn repair_bytes(chunk: &Utf8Chunk<'_>) -> char {
    match chunk.invalid() {
        [byte] => LETTERS[usize::from(*byte)],
        _ => char::REPLACEMENT_CHARACTER,
    }
}

/// The letters of Windows-1252; U+FFFD for bytes without one.
static LETTERS: LazyLock<[char; 256]> = LazyLock::new(|| {
    std::array::from_fn(|byte| {
        let bytes = [byte as u8];
        let (text, _) = WINDOWS_1252.decode_without_bom_handling(&bytes);
        let letter = text.chars().next().filter(|c| !c.is_control());
        letter.unwrap_or(char::REPLACEMENT_CHARACTER)
    })
});

/// Decodes another encoding after the byte order mark. Piece by piece, so that the position of each
/// tag in the body stays known: pieces end before `<` and after `>`, which no multi-byte sequence
/// of a web encoding contains.
fn transcode<'b>(
    body: &'b [u8],
    encoding: &'static Encoding,
    mark: usize,
    limit: usize,
) -> Option<Source<'b>> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut decoding = Edits::default();
    if mark > 0 {
        decoding.push(0..mark, 0, None);
    }
    let mut text = String::with_capacity(body.len() + body.len() / 4);
    let mut from = mark;
    let inner = boundaries(body, encoding, mark).filter(|at| *at > mark && *at < body.len());
    let pieces = inner.chain([body.len()]);
    for to in pieces {
        let piece = &body[from..to];
        let start = text.len();
        let bad = decode_piece(&mut decoder, piece, &mut text, to == body.len(), limit)?;
        let written = text.len() - start;
        if bad || written != piece.len() {
            decoding.push(from..to, written, bad.then_some(RepairKind::InvalidUtf8));
        }
        from = to;
    }
    Some(Source {
        body,
        text: Cow::Owned(text),
        decoding,
        repairing: Edits::default(),
        general: Tally::default(),
    })
}

/// How many bytes are decoded at once, since room is made for the longest text that they can be.
const DECODED_AT_ONCE: usize = 64 << 10;

/// Decodes one piece. `Some(true)` if some of its bytes do not fit the encoding; `None` if the text
/// becomes longer than `limit`.
fn decode_piece(
    decoder: &mut encoding_rs::Decoder,
    mut piece: &[u8],
    text: &mut String,
    last: bool,
    limit: usize,
) -> Option<bool> {
    let mut bad = false;
    loop {
        let part = &piece[..piece.len().min(DECODED_AT_ONCE)];
        let room = decoder.max_utf8_buffer_length(part.len());
        text.reserve(room.unwrap_or(part.len() * 4 + 16));
        let is_last = part.len() == piece.len();
        let (result, read, replaced) = decoder.decode_to_string(part, text, last && is_last);
        bad |= replaced;
        piece = &piece[read..];
        if text.len() > limit {
            return None;
        }
        if result == CoderResult::InputEmpty && is_last {
            return Some(bad);
        }
    }
}

/// The offsets at which tags start and end, in order.
fn boundaries<'a>(
    body: &'a [u8],
    encoding: &'static Encoding,
    mark: usize,
) -> Box<dyn Iterator<Item = usize> + 'a> {
    let wide = [UTF_16LE, UTF_16BE].contains(&encoding);
    if !wide {
        return Box::new(
            memchr2_iter(b'<', b'>', body).map(|at| at + usize::from(body[at] == b'>')),
        );
    }
    let big = encoding == UTF_16BE;
    let units = body[mark..].chunks_exact(2).enumerate();
    Box::new(units.filter_map(move |(index, unit)| {
        let at = mark + index * 2;
        let (high, low) = if big {
            (unit[0], unit[1])
        } else {
            (unit[1], unit[0])
        };
        match (high, low) {
            (0, b'<') => Some(at),
            (0, b'>') => Some(at + 2),
            _ => None,
        }
    }))
}

/// The encoding that the XML declaration names, if it is within the first kilobyte.
fn declared(body: &[u8]) -> Option<&'static Encoding> {
    let head = &body[..body.len().min(1024)];
    let declaration = &head[memmem::find(head, b"<?xml")?..];
    let declaration = &declaration[..memmem::find(declaration, b"?>")?];
    let value = &declaration[memmem::find(declaration, b"encoding")? + b"encoding".len()..];
    let value = value
        .trim_ascii_start()
        .strip_prefix(b"=")?
        .trim_ascii_start();
    let (quote, value) = value.split_first()?;
    let end = memchr::memchr(*quote, value)?;
    encoding(std::str::from_utf8(&value[..end]).ok()?)
}

/// The encoding of a label.
///
/// ASCII means UTF-8, since only a body that is not ASCII needs the label. UTF-16 is wrong if the
/// label itself is readable byte by byte.
fn encoding(label: &str) -> Option<&'static Encoding> {
    let label = label.trim().trim_matches(['"', '\'']);
    if ["us-ascii", "ascii"]
        .iter()
        .any(|ascii| label.eq_ignore_ascii_case(ascii))
    {
        return Some(UTF_8);
    }
    let encoding = Encoding::for_label_no_replacement(label.as_bytes())?;
    (![UTF_16LE, UTF_16BE].contains(&encoding)).then_some(encoding)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oai::response::Repair;

    fn kinds(source: &Source<'_>) -> Vec<(RepairKind, u64)> {
        source
            .all_repairs(source.text.len())
            .into_repairs()
            .into_iter()
            .map(|Repair { kind, count }| (kind, count))
            .collect()
    }

    /// Name, body, charset of the HTTP header; text and repairs.
    type Case = (
        &'static str,
        Vec<u8>,
        Option<&'static str>,
        &'static str,
        Vec<(RepairKind, u64)>,
    );

    #[test]
    fn surrogates_in_utf8_become_their_character() {
        let page = |inside: &[u8]| [b"<a>", inside, b"</a>"].concat();
        let pair = (RepairKind::SurrogatePair, 1);
        let bad = |count| (RepairKind::InvalidUtf8, count);
        type Case<'a> = (&'a str, &'a [u8], &'a str, Vec<(RepairKind, u64)>);
        let cases: &[Case<'_>] = &[
            ("pair", b"\xED\xA0\xBD\xED\xB8\x80", "\u{1F600}", vec![pair]),
            (
                "in text",
                b"\xC3\xA9\xED\xA0\xBD\xED\xB8\x80x",
                "é\u{1F600}x",
                vec![pair],
            ),
            ("first alone", b"\xED\xA0\xBDx", "\u{FFFD}x", vec![bad(1)]),
            ("second alone", b"\xED\xB8\x80", "\u{FFFD}", vec![bad(1)]),
            (
                "in the wrong order",
                b"\xED\xB8\x80\xED\xA0\xBD",
                "\u{FFFD}\u{FFFD}",
                vec![bad(2)],
            ),
            (
                "cut",
                b"\xED\xA0\xBD\xED\xB8",
                "\u{FFFD}\u{FFFD}",
                vec![bad(2)],
            ),
            ("Java's NUL", b"a\xC0\x80b", "a\u{FFFD}b", vec![bad(1)]),
            ("a letter", b"\xEDa", "ía", vec![bad(1)]),
        ];
        for (case, inside, expected, repairs) in cases {
            let body = page(inside);
            let source = decode(&body, None, usize::MAX).unwrap();
            if *case != "cut" {
                assert_eq!(source.text, format!("<a>{expected}</a>"), "{case}");
                assert_eq!(kinds(&source), *repairs, "{case}");
            }
            assert!(source.text.ends_with("</a>"), "{case}");
        }
    }

    fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(unit).collect()
    }

    #[test]
    fn finds_the_encoding() {
        let latin = b"<?xml version='1.0' encoding='iso-8859-1'?><a>M\xFCller \x80</a>";
        let latin_text = "<?xml version='1.0' encoding='iso-8859-1'?><a>Müller €</a>";
        let claimed = "<?xml version='1.0' encoding='ISO-8859-1'?><a>Müller</a>";
        let marked = "\u{FEFF}<a>é</a>";
        let encoding = [(RepairKind::Encoding, 1)];
        let bad = |count| vec![(RepairKind::InvalidUtf8, count)];
        let cases: Vec<Case> = vec![
            ("plain", b"<a>b</a>".to_vec(), None, "<a>b</a>", vec![]),
            (
                "utf-8",
                "<a>é</a>".into(),
                Some("utf-8"),
                "<a>é</a>",
                vec![],
            ),
            ("mark", marked.into(), None, "<a>é</a>", vec![]),
            ("declared", latin.to_vec(), None, latin_text, vec![]),
            (
                "declared beats header",
                latin.to_vec(),
                Some("utf-8"),
                latin_text,
                vec![],
            ),
            (
                "declared wrongly",
                claimed.into(),
                None,
                claimed,
                encoding.to_vec(),
            ),
            (
                "header wrong",
                "<a>é</a>".into(),
                Some("latin1"),
                "<a>é</a>",
                encoding.to_vec(),
            ),
            (
                "header wrong but harmless",
                b"<a/>".to_vec(),
                Some("latin1"),
                "<a/>",
                vec![],
            ),
            (
                "header alone",
                b"<a>\xE9</a>".to_vec(),
                Some("ISO-8859-15"),
                "<a>é</a>",
                vec![],
            ),
            (
                "unknown header",
                b"<a>\xE9</a>".to_vec(),
                Some("martian"),
                "<a>é</a>",
                bad(1),
            ),
            (
                "one bad byte",
                b"<a>\xC3\xA9 \xE9</a>".to_vec(),
                None,
                "<a>é é</a>",
                bad(1),
            ),
            (
                "no letter",
                b"<a>\x81</a>".to_vec(),
                None,
                "<a>\u{FFFD}</a>",
                bad(1),
            ),
            (
                "cut sequence",
                b"<a>\xE2\x82</a>".to_vec(),
                None,
                "<a>\u{FFFD}</a>",
                bad(1),
            ),
            ("two bad bytes", b"\xE9\xE8".to_vec(), None, "éè", bad(2)),
            (
                "ascii declared",
                b"<?xml version='1.0' encoding='us-ascii'?><a>\xC3\xA9\xE9</a>".to_vec(),
                None,
                "<?xml version='1.0' encoding='us-ascii'?><a>éé</a>",
                bad(1),
            ),
            (
                "gbk",
                b"<?xml version='1.0' encoding='gb2312'?><a>\xD6\xD0</a>".to_vec(),
                None,
                "<?xml version='1.0' encoding='gb2312'?><a>中</a>",
                vec![],
            ),
            (
                "utf-16 le",
                wide(marked, u16::to_le_bytes),
                None,
                "<a>é</a>",
                vec![],
            ),
            (
                "utf-16 be",
                wide(marked, u16::to_be_bytes),
                None,
                "<a>é</a>",
                vec![],
            ),
            (
                "utf-16 no mark",
                wide("<a>é</a>", u16::to_le_bytes),
                None,
                "<a>é</a>",
                vec![],
            ),
            (
                "utf-16 said, utf-8 sent",
                "<?xml version='1.0' encoding='utf-16'?><a>é</a>".into(),
                None,
                "<?xml version='1.0' encoding='utf-16'?><a>é</a>",
                vec![],
            ),
            ("empty", vec![], None, "", vec![]),
            ("mark alone", b"\xEF\xBB\xBF".to_vec(), None, "", vec![]),
        ];
        for (case, body, charset, text, repairs) in cases {
            let source = decode(&body, charset, usize::MAX).unwrap();
            assert_eq!(source.text, text, "{case}");
            assert_eq!(kinds(&source), repairs, "{case}");
        }
    }

    #[test]
    fn a_text_that_grows_beyond_its_limit_is_refused() {
        let declared = b"<?xml version='1.0' encoding='iso-8859-1'?><a>".to_vec();
        let cases = [
            ("Latin-1", [declared, vec![0xE9; 300_000]].concat(), 600_046),
            (
                "UTF-16",
                wide(
                    &format!("\u{FEFF}{}", "漢".repeat(200_000)),
                    u16::to_le_bytes,
                ),
                600_000,
            ),
            ("bad bytes", vec![0x81; 200_000], 600_000),
            ("UTF-8", b"a".repeat(600_000), 600_000),
        ];
        for (case, body, text_bytes) in cases {
            let text = decode(&body, None, text_bytes).map(|source| source.text.len());
            assert_eq!(text, Some(text_bytes), "{case}");
            assert!(decode(&body, None, text_bytes - 1).is_none(), "{case}");
        }
    }

    #[test]
    fn tags_keep_their_place_in_the_body() {
        let text = "<list>é<r>中ü</r>\u{1F600}<r>x</r></list>";
        let (gbk, _, _) = encoding_rs::GB18030.encode(text);
        let bodies: [(&str, Vec<u8>, Option<&str>); 3] = [
            (
                "utf-16",
                wide(&format!("\u{FEFF}{text}"), u16::to_le_bytes),
                None,
            ),
            ("gb18030", gbk.to_vec(), Some("gb18030")),
            (
                "bad utf-8",
                b"<list>\xE9<r>\xE4\xB8\xAD\xFC</r>\xF0\x9F\x98\x80<r>x</r></list>".to_vec(),
                None,
            ),
        ];
        for (case, body, charset) in bodies {
            let source = decode(&body, charset, usize::MAX).unwrap();
            assert_eq!(source.text, text, "{case}");
            for part in ["<r>中ü</r>", "<r>x</r>"] {
                let start = text.find(part).unwrap();
                let raw = source.raw(&(start..start + part.len()));
                let again = decode(raw, charset.or(Some("utf-8")), usize::MAX).unwrap();
                assert_eq!(again.text, part, "{case}");
            }
        }
    }
}
