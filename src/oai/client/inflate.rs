//! Takes compression off a body, piece by piece, and never keeps more than it may.
//!
//! `Content-Encoding` is a hint. Bytes that begin as gzip or zstd do are decompressed whatever the
//! header says, and a body that is plainly text is taken as it is, whatever the header says.

use std::io::Write;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::GzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{Decoder as ZstdDecoder, Operation};

/// Value of the `Accept-Encoding` header: what this module can take off.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, br, zstd, deflate";

/// How many bytes are looked at before a codec is chosen.
const HEAD: usize = 32;

/// How often a body may be compressed over: once by an application, once by a server before it.
const LAYERS: usize = 3;

/// Bytes that a codec hands out at a time.
const STEP: usize = 64 << 10;

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum InflateError {
    /// More bytes came out than may be kept.
    TooLarge,
    /// The compressed bytes are damaged or end early.
    Bad(String),
}

/// A body on its way from wire to memory.
pub(crate) struct Inflater {
    /// Encodings named by the header, the outermost last.
    named: Vec<Encoding>,
    /// The first bytes, until there are enough to choose a codec by.
    head: Vec<u8>,
    codec: Option<Codec>,
    out: Capped,
}

/// The encodings of RFC 9110 and their like, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Inflater {
    /// For a body with this `Content-Encoding`; more than `limit` bytes are not kept.
    pub(crate) fn new(content_encoding: Option<&str>, limit: u64) -> Self {
        let named = content_encoding
            .unwrap_or_default()
            .split(',')
            .filter_map(|name| match name.trim().to_ascii_lowercase().as_str() {
                "gzip" | "x-gzip" => Some(Encoding::Gzip),
                "deflate" => Some(Encoding::Deflate),
                "br" => Some(Encoding::Brotli),
                "zstd" => Some(Encoding::Zstd),
                _ => None,
            })
            .collect();
        Self {
            named,
            head: Vec::new(),
            codec: None,
            out: Capped {
                bytes: Vec::new(),
                limit,
            },
        }
    }

    /// Takes the next piece from the wire.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        if let Some(codec) = &mut self.codec {
            return codec.push(piece, &mut self.out);
        }
        self.head.extend_from_slice(piece);
        match self.head.len() < HEAD {
            true => Ok(()),
            false => self.choose(),
        }
    }

    /// What has been decompressed by now.
    pub(crate) fn so_far(&self) -> &[u8] {
        match &self.codec {
            Some(_) => &self.out.bytes,
            None => &self.head,
        }
    }

    /// The whole body.
    ///
    /// # Errors
    /// Also if the compressed bytes end before their own end.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, InflateError> {
        if self.codec.is_none() {
            self.choose()?;
        }
        for _ in 1..LAYERS {
            self.end_layer()?;
            if choose(self.named.last().copied(), &self.out.bytes).is_none() {
                break;
            }
            self.head = std::mem::take(&mut self.out.bytes);
            self.choose()?;
        }
        self.end_layer()?;
        Ok(self.out.bytes)
    }

    fn end_layer(&mut self) -> Result<(), InflateError> {
        match self.codec.take() {
            Some(codec) => codec.finish(&mut self.out),
            None => Ok(()),
        }
    }

    /// Chooses a codec for the bytes in `head` and gives them to it.
    fn choose(&mut self) -> Result<(), InflateError> {
        let head = std::mem::take(&mut self.head);
        let encoding = choose(self.named.pop(), &head);
        let codec = self.codec.insert(Codec::new(encoding, &head)?);
        codec.push(&head, &mut self.out)
    }
}

/// The encoding of a body that begins with `head`, if it has one.
fn choose(named: Option<Encoding>, head: &[u8]) -> Option<Encoding> {
    match (named, head) {
        // Brotli has no mark, and its bytes may by chance be those of another's.
        (Some(Encoding::Brotli), _) => (!is_text(head)).then_some(Encoding::Brotli),
        (_, [0x1f, 0x8b, 8, flags, ..]) if flags & 0xe0 == 0 => Some(Encoding::Gzip),
        (_, [0x28, 0xb5, 0x2f, 0xfd, ..]) => Some(Encoding::Zstd),
        (Some(Encoding::Deflate), _) => (!is_text(head)).then_some(Encoding::Deflate),
        // The named ones have a mark, and it is not there.
        (Some(Encoding::Gzip | Encoding::Zstd) | None, _) => None,
    }
}

/// Whether bytes are text beyond doubt, so that they cannot be compressed without a mark: a byte
/// order mark, or nothing but ASCII without control characters. So is no byte at all.
fn is_text(head: &[u8]) -> bool {
    let head = &head[..head.len().min(HEAD)];
    let marked = [&[0xef, 0xbb, 0xbf][..], &[0xff, 0xfe], &[0xfe, 0xff]]
        .iter()
        .any(|mark| head.starts_with(mark));
    marked
        || head
            .iter()
            .all(|byte| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~'))
}

/// Whether deflated bytes have the frame of zlib around them, as the standard wants.
fn is_zlib(head: &[u8]) -> bool {
    match head {
        [method, flags, ..] => {
            method & 0x0f == 8
                && method >> 4 <= 7
                && (u16::from(*method) << 8 | u16::from(*flags)).is_multiple_of(31)
        }
        _ => false,
    }
}

/// One decompressor and whether its stream has ended. What follows the end is ignored, but for a
/// further member of gzip or frame of zstd.
enum Codec {
    Plain,
    Gzip(Option<Box<GzDecoder<Vec<u8>>>>),
    Deflate(Decompress, bool),
    Brotli(
        Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>,
        bool,
    ),
    Zstd(Box<ZstdDecoder<'static>>, bool),
}

impl Codec {
    fn new(encoding: Option<Encoding>, head: &[u8]) -> Result<Self, InflateError> {
        Ok(match encoding {
            None => Self::Plain,
            Some(Encoding::Gzip) => Self::Gzip(None),
            Some(Encoding::Deflate) => Self::Deflate(Decompress::new(is_zlib(head)), false),
            Some(Encoding::Brotli) => {
                let alloc = StandardAlloc::default;
                // Strict: windows beyond RFC 7932's could ask for a gigabyte.
                let state = BrotliState::new_strict(alloc(), alloc(), alloc());
                Self::Brotli(Box::new(state), false)
            }
            Some(Encoding::Zstd) => {
                let decoder = ZstdDecoder::new().map_err(|error| bad("zstd", &error))?;
                Self::Zstd(Box::new(decoder), false)
            }
        })
    }

    fn push(&mut self, piece: &[u8], out: &mut Capped) -> Result<(), InflateError> {
        match self {
            Self::Plain => out.keep(piece),
            Self::Gzip(member) => push_gzip(member, piece, out),
            Self::Deflate(state, ended) => push_deflate(state, ended, piece, out),
            Self::Brotli(state, ended) => push_brotli(state, ended, piece, out),
            Self::Zstd(state, ended) => push_zstd(state, ended, piece, out),
        }
    }

    fn finish(self, out: &mut Capped) -> Result<(), InflateError> {
        let (name, ended) = match self {
            Self::Plain => return Ok(()),
            Self::Gzip(None) => return Ok(()),
            Self::Gzip(Some(member)) => return end_gzip(*member, out),
            Self::Deflate(_, ended) => ("deflate", ended),
            Self::Brotli(_, ended) => ("brotli", ended),
            Self::Zstd(_, ended) => ("zstd", ended),
        };
        match ended {
            true => Ok(()),
            false => Err(InflateError::Bad(format!("the {name} stream ends early"))),
        }
    }
}

/// `member` is `None` between two members: before the first, and after an end.
fn push_gzip(
    member: &mut Option<Box<GzDecoder<Vec<u8>>>>,
    mut piece: &[u8],
    out: &mut Capped,
) -> Result<(), InflateError> {
    while !piece.is_empty() {
        if member.is_none() && piece[0] != 0x1f {
            return Ok(());
        }
        let decoder = member.get_or_insert_with(|| Box::new(GzDecoder::new(Vec::new())));
        let taken = decoder.write(piece).map_err(|error| bad("gzip", &error))?;
        // One call gives out no more than the decoder's own small buffer.
        out.keep(decoder.get_ref())?;
        decoder.get_mut().clear();
        piece = &piece[taken..];
        if taken == 0
            && let Some(decoder) = member.take()
        {
            end_gzip(*decoder, out)?;
        }
    }
    Ok(())
}

fn end_gzip(decoder: GzDecoder<Vec<u8>>, out: &mut Capped) -> Result<(), InflateError> {
    let rest = decoder.finish().map_err(|error| bad("gzip", &error))?;
    out.keep(&rest)
}

fn push_deflate(
    state: &mut Decompress,
    ended: &mut bool,
    mut piece: &[u8],
    out: &mut Capped,
) -> Result<(), InflateError> {
    let mut buffer = vec![0; STEP];
    while !*ended {
        let before = (state.total_in(), state.total_out());
        let status = state
            .decompress(piece, &mut buffer, FlushDecompress::None)
            .map_err(|error| bad("deflate", &error))?;
        let taken = (state.total_in() - before.0) as usize;
        let given = (state.total_out() - before.1) as usize;
        out.keep(&buffer[..given])?;
        piece = &piece[taken..];
        *ended = status == Status::StreamEnd;
        if piece.is_empty() && given < STEP || taken == 0 && given == 0 {
            break;
        }
    }
    Ok(())
}

fn push_brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: &mut bool,
    piece: &[u8],
    out: &mut Capped,
) -> Result<(), InflateError> {
    let mut buffer = vec![0; STEP];
    let (mut left, mut taken, mut total) = (piece.len(), 0, 0);
    while !*ended {
        let (mut room, mut given) = (STEP, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut taken,
            piece,
            &mut room,
            &mut given,
            &mut buffer,
            &mut total,
            state,
        );
        out.keep(&buffer[..given])?;
        match result {
            BrotliResult::ResultSuccess => *ended = true,
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::NeedsMoreInput => break,
            BrotliResult::ResultFailure => {
                return Err(InflateError::Bad("the brotli stream is damaged".to_owned()));
            }
        }
    }
    Ok(())
}

fn push_zstd(
    state: &mut ZstdDecoder<'static>,
    ended: &mut bool,
    mut piece: &[u8],
    out: &mut Capped,
) -> Result<(), InflateError> {
    let mut buffer = vec![0; STEP];
    loop {
        // After a frame's end the next bytes begin another one, or are padding.
        if *ended && (piece.is_empty() || piece[0] != 0x28) {
            return Ok(());
        }
        let step = state
            .run_on_buffers(piece, &mut buffer)
            .map_err(|error| bad("zstd", &error))?;
        out.keep(&buffer[..step.bytes_written])?;
        piece = &piece[step.bytes_read..];
        *ended = step.remaining == 0;
        if piece.is_empty() && step.bytes_written < STEP {
            return Ok(());
        }
    }
}

fn bad(name: &str, error: &dyn std::error::Error) -> InflateError {
    InflateError::Bad(format!("{name}: {error}"))
}

/// Bytes in memory, up to a limit.
struct Capped {
    bytes: Vec<u8>,
    limit: u64,
}

impl Capped {
    fn keep(&mut self, piece: &[u8]) -> Result<(), InflateError> {
        if (self.bytes.len() + piece.len()) as u64 > self.limit {
            return Err(InflateError::TooLarge);
        }
        self.bytes.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn raw_deflate(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn zstd(bytes: &[u8]) -> Vec<u8> {
        zstd::encode_all(bytes, 3).unwrap()
    }

    /// Brotli without compression: one stored meta-block of up to 64 KiB, and the end.
    ///
    /// Source: RFC 7932, 9.1 and 9.2.
    fn brotli(bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len() - 1).unwrap();
        assert!(length < 1 << 16);
        // WBITS 16 (one bit 0), ISLAST 0, MNIBBLES 4 (00), MLEN - 1, ISUNCOMPRESSED 1.
        let header = length << 4 | 1 << 20;
        let mut stream = header.to_le_bytes()[..3].to_vec();
        stream.extend_from_slice(bytes);
        // ISLAST and ISLASTEMPTY.
        stream.push(3);
        stream
    }

    fn inflate(encoding: Option<&str>, wire: &[u8], piece: usize) -> Result<Vec<u8>, InflateError> {
        let mut inflater = Inflater::new(encoding, 1 << 20);
        for piece in wire.chunks(piece) {
            inflater.push(piece)?;
        }
        inflater.finish()
    }

    fn page() -> Vec<u8> {
        let records = "<record>é ü</record>".repeat(2000);
        format!("<?xml version=\"1.0\"?><OAI-PMH>{records}</OAI-PMH>").into_bytes()
    }

    #[test]
    fn takes_compression_off() {
        let page = page();
        let two_members = [gzip(&page[..100]), gzip(&page[100..])].concat();
        let two_frames = [zstd(&page[..100]), zstd(&page[100..])].concat();
        let padded = [gzip(&page), vec![0; 40]].concat();
        let cases: Vec<(&str, Option<&str>, Vec<u8>)> = vec![
            ("plain", None, page.clone()),
            ("identity", Some("identity"), page.clone()),
            ("unknown name", Some("UTF-8"), page.clone()),
            ("gzip", Some("gzip"), gzip(&page)),
            ("gzip, capitals", Some(" GZIP "), gzip(&page)),
            ("x-gzip", Some("x-gzip"), gzip(&page)),
            ("gzip in two members", Some("gzip"), two_members),
            ("gzip with padding", Some("gzip"), padded),
            ("gzip unadvertised", None, gzip(&page)),
            ("gzip called deflate", Some("deflate"), gzip(&page)),
            ("gzip twice, told once", Some("gzip"), gzip(&gzip(&page))),
            (
                "gzip twice, told twice",
                Some("gzip, gzip"),
                gzip(&gzip(&page)),
            ),
            ("gzip told, plain sent", Some("gzip"), page.clone()),
            ("br told, plain sent", Some("br"), page.clone()),
            ("deflate told, plain sent", Some("deflate"), page.clone()),
            ("zstd told, plain sent", Some("zstd"), page.clone()),
            ("deflate with zlib frame", Some("deflate"), zlib(&page)),
            ("deflate bare", Some("deflate"), raw_deflate(&page)),
            ("deflate in gzip", Some("deflate, gzip"), gzip(&zlib(&page))),
            ("zstd", Some("zstd"), zstd(&page)),
            ("zstd in two frames", Some("zstd"), two_frames),
            ("zstd unadvertised", None, zstd(&page)),
            ("zstd called gzip", Some("gzip"), zstd(&page)),
            ("brotli", Some("br"), brotli(&page)),
        ];
        for (case, encoding, wire) in cases {
            for piece in [1, 7, 1000, wire.len()] {
                let inflated = inflate(encoding, &wire, piece).unwrap();
                assert!(inflated == page, "{case}, in pieces of {piece}");
            }
        }
    }

    #[test]
    fn reads_brotli_that_really_compresses() {
        const WIRE: [u8; 30] = [
            0x1b, 0x8f, 0x01, 0xf8, 0x8d, 0x93, 0x54, 0xed, 0xfa, 0xac, 0x79, 0x7c, 0xc4, 0xc6,
            0xd4, 0x4b, 0x58, 0x32, 0x52, 0x0b, 0x61, 0xb9, 0xc0, 0x08, 0x36, 0xe0, 0xb8, 0x61,
            0x9b, 0x00,
        ];
        let expected = b"<record>abc</record>".repeat(20);
        for piece in [1, 3, 30] {
            let inflated = inflate(Some("br"), &WIRE, piece);
            assert_eq!(inflated.as_ref(), Ok(&expected), "in pieces of {piece}");
        }
        assert!(inflate(Some("br"), &WIRE[..29], 30).is_err(), "cut");
    }

    #[test]
    fn an_empty_body_is_empty_whatever_the_header_says() {
        for encoding in [
            None,
            Some("gzip"),
            Some("br"),
            Some("deflate"),
            Some("zstd"),
        ] {
            assert_eq!(inflate(encoding, b"", 1), Ok(Vec::new()), "{encoding:?}");
        }
        assert_eq!(inflate(Some("br"), b"busy", 1), Ok(b"busy".to_vec()));
    }

    #[test]
    fn tells_damage_and_early_ends() {
        let page = page();
        for (encoding, wire) in [
            ("gzip", gzip(&page)),
            ("deflate", zlib(&page)),
            ("zstd", zstd(&page)),
            ("br", brotli(&page)),
        ] {
            for end in [wire.len() / 2, wire.len() - 1] {
                let cut = inflate(Some(encoding), &wire[..end], 999);
                assert!(
                    matches!(cut, Err(InflateError::Bad(_))),
                    "{encoding} at {end}"
                );
            }
        }
        let mut damaged = gzip(&page);
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert!(matches!(
            inflate(Some("gzip"), &damaged, 999),
            Err(InflateError::Bad(_))
        ));
        let noise: Vec<u8> = (0..200).map(|i| (i * 37 + 128) as u8).collect();
        for encoding in ["br", "deflate"] {
            assert!(inflate(Some(encoding), &noise, 999).is_err(), "{encoding}");
        }
    }

    #[test]
    fn keeps_no_more_than_it_may() {
        let bomb = vec![b' '; 4 << 20];
        let fits = vec![b' '; 1 << 20];
        type Compress = fn(&[u8]) -> Vec<u8>;
        let cases: [(&str, Compress); 4] = [
            ("gzip", gzip),
            ("deflate", zlib),
            ("zstd", zstd),
            ("identity", <[u8]>::to_vec),
        ];
        for (encoding, compress) in cases {
            assert_eq!(
                inflate(Some(encoding), &compress(&bomb), 1 << 20),
                Err(InflateError::TooLarge),
                "{encoding}"
            );
            let whole = inflate(Some(encoding), &compress(&fits), 1 << 20).unwrap();
            assert_eq!(whole.len(), 1 << 20, "{encoding}");
        }
        assert_eq!(
            inflate(Some("gzip"), &gzip(&gzip(&bomb)), 1 << 20),
            Err(InflateError::TooLarge),
            "in the second layer"
        );
    }
}
