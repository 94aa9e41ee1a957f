//! Decompresses a body piece by piece, up to a limit of bytes.
//!
//! `Content-Encoding` is a hint. Bytes that begin like gzip or zstd are decompressed whatever the
//! header says, and a body that is plainly text is kept as it is.

use std::io::{self, Write};

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::write::{DeflateDecoder, GzDecoder, ZlibDecoder};
use zstd::stream::{raw, zio};
use zstd::zstd_safe::DParameter;

/// The value of the `Accept-Encoding` header: what this module decompresses.
pub(crate) const ACCEPT_ENCODING: &str = "gzip, br, zstd, deflate";

/// How many bytes decide about the decoder.
const HEAD: usize = 32;

/// How many layers of compression a body may have: an application and a server before it may both
/// compress.
const LAYERS: usize = 3;

/// The largest window of zstd, as a power of 2: a decoder allocates a whole window, and a frame of a
/// few bytes can ask for 128 MiB.
///
/// Source: RFC 9659, 3, which allows no larger window in HTTP.
const ZSTD_WINDOW_LOG: u32 = 23;

/// Why a body cannot be decompressed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DecompressError {
    /// It is larger than the limit.
    TooLarge,
    /// The compressed bytes are damaged or truncated.
    Damaged(String),
    /// The compressed bytes end too early. The output so far is right.
    Truncated(String),
}

/// A body between wire and memory.
pub(crate) struct Decompressor {
    /// The encodings that the header names, the outermost last.
    named: Vec<Encoding>,
    /// The first bytes, until there are enough to choose a decoder.
    head: Vec<u8>,
    /// The decoder of the outermost layer, once it is chosen.
    decoder: Option<Box<dyn Decoder>>,
    limit: u64,
}

/// The encodings of RFC 9110, Brotli and zstd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

impl Decompressor {
    /// A decompressor for a body with this `Content-Encoding`. It keeps at most `limit` bytes.
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
            decoder: None,
            limit,
        }
    }

    /// Decompresses the next piece from the wire.
    pub(crate) fn push(&mut self, piece: &[u8]) -> Result<(), DecompressError> {
        if let Some(decoder) = &mut self.decoder {
            return write(decoder, piece);
        }
        self.head.extend_from_slice(piece);
        match self.head.len() < HEAD {
            true => Ok(()),
            false => self.start_layer(),
        }
    }

    /// The bytes that have been decompressed so far.
    pub(crate) fn output(&mut self) -> &[u8] {
        match &mut self.decoder {
            Some(decoder) => {
                // What cannot be flushed is damaged, and does not count.
                let _ = decoder.flush();
                &decoder.sink().bytes
            }
            None => &self.head,
        }
    }

    /// Takes the bytes that have been decompressed so far.
    pub(crate) fn take_output(&mut self) -> Vec<u8> {
        self.output();
        match &mut self.decoder {
            Some(decoder) => std::mem::take(&mut decoder.sink().bytes),
            None => std::mem::take(&mut self.head),
        }
    }

    /// The whole body. After a failure, [`Decompressor::take_output`] has the output before the failure.
    pub(crate) fn finish(&mut self) -> Result<Vec<u8>, DecompressError> {
        if self.decoder.is_none() {
            self.start_layer()?;
        }
        let mut bytes = self.end_layer()?;
        for _ in 1..LAYERS {
            if choose(self.named.last().copied(), &bytes).is_none() {
                break;
            }
            self.head = bytes;
            self.start_layer()?;
            bytes = self.end_layer()?;
        }
        Ok(bytes)
    }

    /// Chooses a decoder for the bytes in `head` and feeds them to it.
    fn start_layer(&mut self) -> Result<(), DecompressError> {
        let head = std::mem::take(&mut self.head);
        let encoding = choose(self.named.pop(), &head);
        let sink = Sink {
            limit: self.limit,
            ..Sink::default()
        };
        let decoder = self.decoder.insert(new_decoder(encoding, &head, sink)?);
        write(decoder, &head)
    }

    fn end_layer(&mut self) -> Result<Vec<u8>, DecompressError> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(Vec::new());
        };
        let ended = decoder.end();
        ended.map_err(|error| decompress_error(&mut **decoder, &error))?;
        let bytes = std::mem::take(&mut decoder.sink().bytes);
        self.decoder = None;
        Ok(bytes)
    }
}

/// The encoding of a body that begins with `head`, if it has one.
fn choose(named: Option<Encoding>, head: &[u8]) -> Option<Encoding> {
    match (named, head) {
        // Brotli has no magic number, and its bytes may look like another encoding's.
        (Some(Encoding::Brotli), _) => (!is_text(head)).then_some(Encoding::Brotli),
        (_, [0x1f, 0x8b, 8, flags, ..]) if flags & 0xe0 == 0 => Some(Encoding::Gzip),
        (_, [0x28, 0xb5, 0x2f, 0xfd, ..]) => Some(Encoding::Zstd),
        (Some(Encoding::Deflate), _) => (!is_text(head)).then_some(Encoding::Deflate),
        // The named encoding has a magic number, and the body does not.
        (Some(Encoding::Gzip | Encoding::Zstd) | None, _) => None,
    }
}

/// Whether bytes are certainly text, so that they cannot be compressed without a magic number: they
/// have a byte order mark, or are ASCII without control characters. An empty body is text too.
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

/// Whether deflated bytes are wrapped as zlib, as the standard demands.
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

/// A decoder that writes into a [`Sink`]. Its `write` returns 0 after the end of the stream.
trait Decoder: Write + Send {
    /// The decompressed bytes.
    fn sink(&mut self) -> &mut Sink;

    /// Writes the last bytes, or fails if the stream has not ended.
    fn end(&mut self) -> io::Result<()>;

    /// A decoder for what follows the end of the stream; `None` if the rest is padding.
    fn next(&mut self, _rest: &[u8]) -> Option<Box<dyn Decoder>> {
        None
    }
}

fn new_decoder(
    encoding: Option<Encoding>,
    head: &[u8],
    sink: Sink,
) -> Result<Box<dyn Decoder>, DecompressError> {
    Ok(match encoding {
        None => Box::new(sink),
        Some(Encoding::Gzip) => Box::new(GzDecoder::new(sink)),
        Some(Encoding::Deflate) if is_zlib(head) => Box::new(ZlibDecoder::new(sink)),
        Some(Encoding::Deflate) => Box::new(DeflateDecoder::new(sink)),
        Some(Encoding::Brotli) => Box::new(BrotliDecoder::new(sink)),
        Some(Encoding::Zstd) => {
            let decoder = raw::Decoder::new().and_then(|mut decoder| {
                decoder.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_LOG))?;
                Ok(decoder)
            });
            let decoder = decoder.map_err(|error| DecompressError::Damaged(error.to_string()))?;
            Box::new(zio::Writer::new(sink, decoder))
        }
    })
}

fn write(decoder: &mut Box<dyn Decoder>, mut piece: &[u8]) -> Result<(), DecompressError> {
    while !piece.is_empty() {
        let taken = decoder.write(piece);
        let taken = taken.map_err(|error| decompress_error(&mut **decoder, &error))?;
        if taken == 0 {
            let ended = decoder.end();
            ended.map_err(|error| decompress_error(&mut **decoder, &error))?;
            match decoder.next(piece) {
                Some(next) => *decoder = next,
                None => return Ok(()),
            }
        }
        piece = &piece[taken..];
    }
    Ok(())
}

fn decompress_error(decoder: &mut dyn Decoder, error: &io::Error) -> DecompressError {
    if decoder.sink().is_full {
        DecompressError::TooLarge
    } else if error.kind() == io::ErrorKind::UnexpectedEof {
        DecompressError::Truncated(error.to_string())
    } else {
        DecompressError::Damaged(error.to_string())
    }
}

fn truncated() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the compressed data is truncated",
    )
}

/// Bytes in memory, up to a limit.
#[derive(Default)]
struct Sink {
    bytes: Vec<u8>,
    limit: u64,
    /// Whether a write was refused.
    is_full: bool,
}

impl Write for Sink {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        if (self.bytes.len() + piece.len()) as u64 > self.limit {
            self.is_full = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(piece);
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// No compression.
impl Decoder for Sink {
    fn sink(&mut self) -> &mut Sink {
        self
    }

    fn end(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One member of a gzip file. `MultiGzDecoder` would read several, but takes the padding that some
/// servers append for a damaged member.
impl Decoder for GzDecoder<Sink> {
    fn sink(&mut self) -> &mut Sink {
        self.get_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.try_finish().map_err(|error| {
            // A checksum that is not there matches as little as a wrong one. Only an unfinished
            // stream takes more.
            match self.write(&[0]) {
                Ok(1..) => truncated(),
                _ => error,
            }
        })
    }

    fn next(&mut self, rest: &[u8]) -> Option<Box<dyn Decoder>> {
        let has_member = rest.first() == Some(&0x1f);
        has_member.then(|| Box::new(Self::new(std::mem::take(self.sink()))) as _)
    }
}

impl Decoder for ZlibDecoder<Sink> {
    fn sink(&mut self) -> &mut Sink {
        self.get_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.try_finish()
    }
}

impl Decoder for DeflateDecoder<Sink> {
    fn sink(&mut self) -> &mut Sink {
        self.get_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.try_finish()
    }
}

/// All frames. The writer is the one inside `zstd::stream::write::Decoder`, which hides `finish` and
/// so does not notice a truncated frame.
impl Decoder for zio::Writer<Sink, raw::Decoder<'static>> {
    fn sink(&mut self) -> &mut Sink {
        self.writer_mut()
    }

    fn end(&mut self) -> io::Result<()> {
        self.finish()
    }
}

/// Brotli by hand: the crate's own `DecompressorWriter` accepts windows beyond those of RFC 7932,
/// for which a hostile server can demand a gigabyte of memory.
struct BrotliDecoder {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    sink: Sink,
    has_ended: bool,
    buffer: Vec<u8>,
}

impl BrotliDecoder {
    fn new(sink: Sink) -> Self {
        let alloc = StandardAlloc::default;
        Self {
            state: BrotliState::new_strict(alloc(), alloc(), alloc()),
            sink,
            has_ended: false,
            buffer: vec![0; 64 << 10],
        }
    }
}

impl Write for BrotliDecoder {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let (mut left, mut taken, mut total) = (piece.len(), 0, 0);
        while !self.has_ended {
            let (mut room, mut given) = (self.buffer.len(), 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut taken,
                piece,
                &mut room,
                &mut given,
                &mut self.buffer,
                &mut total,
                &mut self.state,
            );
            self.sink.write_all(&self.buffer[..given])?;
            match result {
                BrotliResult::ResultSuccess => self.has_ended = true,
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::NeedsMoreInput => break,
                BrotliResult::ResultFailure => {
                    return Err(io::Error::other("the brotli stream is damaged"));
                }
            }
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Decoder for BrotliDecoder {
    fn sink(&mut self) -> &mut Sink {
        &mut self.sink
    }

    fn end(&mut self) -> io::Result<()> {
        match self.has_ended {
            true => Ok(()),
            false => Err(truncated()),
        }
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

    fn decompress(
        encoding: Option<&str>,
        wire: &[u8],
        piece: usize,
    ) -> Result<Vec<u8>, DecompressError> {
        let mut decompressor = Decompressor::new(encoding, 1 << 20);
        for piece in wire.chunks(piece) {
            decompressor.push(piece)?;
        }
        decompressor.finish()
    }

    fn page() -> Vec<u8> {
        let records = "<record>é ü</record>".repeat(2000);
        format!("<?xml version=\"1.0\"?><OAI-PMH>{records}</OAI-PMH>").into_bytes()
    }

    #[test]
    fn decompresses() {
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
            ("gzip twice, named once", Some("gzip"), gzip(&gzip(&page))),
            (
                "gzip twice, named twice",
                Some("gzip, gzip"),
                gzip(&gzip(&page)),
            ),
            ("gzip named, plain sent", Some("gzip"), page.clone()),
            ("br named, plain sent", Some("br"), page.clone()),
            ("deflate named, plain sent", Some("deflate"), page.clone()),
            ("zstd named, plain sent", Some("zstd"), page.clone()),
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
                let decompressed = decompress(encoding, &wire, piece).unwrap();
                assert!(decompressed == page, "{case}, in pieces of {piece}");
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
            let decompressed = decompress(Some("br"), &WIRE, piece);
            assert_eq!(decompressed.as_ref(), Ok(&expected), "in pieces of {piece}");
        }
        assert!(decompress(Some("br"), &WIRE[..29], 30).is_err(), "cut");
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
            assert_eq!(decompress(encoding, b"", 1), Ok(Vec::new()), "{encoding:?}");
        }
        assert_eq!(decompress(Some("br"), b"busy", 1), Ok(b"busy".to_vec()));
    }

    #[test]
    fn detects_damage_and_truncation() {
        let page = page();
        for (encoding, wire) in [
            ("gzip", gzip(&page)),
            ("deflate", zlib(&page)),
            ("zstd", zstd(&page)),
            ("br", brotli(&page)),
        ] {
            for end in [wire.len() / 2, wire.len() - 1] {
                let cut = decompress(Some(encoding), &wire[..end], 999);
                assert!(
                    matches!(cut, Err(DecompressError::Truncated(_))),
                    "{encoding} at {end}: {cut:?}"
                );
            }
        }
        let whole = gzip(&page);
        for cut in 1..=8 {
            let limit = page.len() as u64;
            let mut decompressor = Decompressor::new(Some("gzip"), limit);
            decompressor.push(&whole[..whole.len() - cut]).unwrap();
            let error = decompressor.finish().unwrap_err();
            assert!(
                matches!(error, DecompressError::Truncated(_)),
                "{cut}: {error:?}"
            );
            assert_eq!(
                decompressor.take_output(),
                page,
                "{cut} bytes of the trailer are missing"
            );
        }
        let mut damaged = gzip(&page);
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert!(matches!(
            decompress(Some("gzip"), &damaged, 999),
            Err(DecompressError::Damaged(_))
        ));
        let noise: Vec<u8> = (0..200).map(|i| (i * 37 + 128) as u8).collect();
        for encoding in ["br", "deflate"] {
            assert!(
                decompress(Some(encoding), &noise, 999).is_err(),
                "{encoding}"
            );
        }
    }

    #[test]
    fn keeps_at_most_the_limit() {
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
                decompress(Some(encoding), &compress(&bomb), 1 << 20),
                Err(DecompressError::TooLarge),
                "{encoding}"
            );
            let whole = decompress(Some(encoding), &compress(&fits), 1 << 20).unwrap();
            assert_eq!(whole.len(), 1 << 20, "{encoding}");
        }
        assert_eq!(
            decompress(Some("gzip"), &gzip(&gzip(&bomb)), 1 << 20),
            Err(DecompressError::TooLarge),
            "in the second layer"
        );
    }
}
